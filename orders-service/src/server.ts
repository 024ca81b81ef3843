/** Composition root of orders-service: the only file that wires and listens. */
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
import { handlers } from './messages.ts'
import { openOrdersStore } from './store/index.ts'
import { PAYMENT_PATH, SWEEP_EVERY_MS, sweepPending } from './sweep-pending.ts'

const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, ORDERS_PORT: Port(3001) }))
const instance = config.INSTANCE
const logger = createLogger({ name: 'orders-service', instance, level: config.LOG_LEVEL })
const clock = systemClock
const newId = uuidv7
const metrics = createMetrics()
const store = openOrdersStore({ dataDir: config.DATA_DIR, clock, newId })
const broker = createJetStreamBroker({
  url: config.NATS_URL,
  name: `orders-service-${instance}`,
  streamMaxBytes: config.STREAM_MAX_BYTES,
})
const messaging = createMessaging({
  service: 'orders-service',
  store,
  handlers,
  broker,
  clock,
  logger,
  metrics,
  purge: (tx) => tx.idempotency.purge(),
})
messaging.duty({
  name: 'sweeper',
  everyMs: SWEEP_EVERY_MS,
  round: async () => {
    const next = store.read.orders.nextSweepAt()
    // Behind a backlog orders are late because it is long; asking again would make it longer.
    if (next === undefined || next > clock.now() || !(await messaging.backlogsEmpty(PAYMENT_PATH))) return false
    const swept = await store.write((tx) => {
      tx.lease.assertHeld()
      return sweepPending(tx, clock)
    })
    if (swept > 0) logger.info({ orders: swept }, 'asked again for the payment of orders pending for too long')
    return false
  },
})

const app = await buildApp({
  store,
  clock,
  newId,
  currency: config.CURRENCY,
  broker,
  logger,
  metrics,
  instance,
  version: packageJson.version,
  rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
})
// HTTP listens before NATS connects: orders are taken without a broker.
await runService({
  app,
  logger,
  listen: { host: config.HOST, port: config.ORDERS_PORT + 10 * (instance - 1), variable: 'ORDERS_PORT' },
  closers: [
    { name: 'messaging', close: () => messaging.stop() },
    { name: 'broker', close: () => broker.close() },
    { name: 'store', close: () => store.close() },
  ],
})
messaging.start()
await broker.connect()
