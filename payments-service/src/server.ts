/** Composition root of payments-service: the only file that wires and listens. */
import { createJetStreamBroker, streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMessaging } from '@checkout/messaging/messaging.ts'
import { systemClock, uuidv7 } from '@checkout/service/clock.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/service/config.ts'
import { runService } from '@checkout/service/lifecycle.ts'
import { createLogger } from '@checkout/service/logging.ts'
import { createMetrics } from '@checkout/service/metrics.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { createHandlers } from './messages.ts'
import { openPaymentsStore } from './store/index.ts'

const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, PAYMENTS_PORT: Port(3002) }))
const instance = config.INSTANCE
const currency = config.CURRENCY
const logger = createLogger({ name: 'payments-service', instance, level: config.LOG_LEVEL })
const clock = systemClock
const newId = uuidv7
const metrics = createMetrics()
const store = openPaymentsStore({ dataDir: config.DATA_DIR, clock, newId })
const broker = createJetStreamBroker({
  url: config.NATS_URL,
  name: `payments-service-${instance}`,
  streamMaxBytes: config.STREAM_MAX_BYTES,
})
const handlers = createHandlers({ clock, newId, currency })
const messaging = createMessaging({
  service: 'payments-service',
  store,
  handlers,
  broker,
  clock,
  logger,
  metrics,
  purge: (tx) => tx.idempotency.purge(),
})

const app = await buildApp({
  store,
  handlers,
  clock,
  newId,
  currency,
  broker,
  logger,
  metrics,
  instance,
  version: packageJson.version,
  rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
})
// HTTP listens before NATS connects: accounts can be used without a broker.
await runService({
  app,
  logger,
  listen: { host: config.HOST, port: config.PAYMENTS_PORT + 10 * (instance - 1), variable: 'PAYMENTS_PORT' },
  closers: [
    { name: 'messaging', close: () => messaging.stop() },
    { name: 'broker', close: () => broker.close() },
    { name: 'store', close: () => store.close() },
  ],
})
messaging.start()
await broker.connect()
