/** Composition root of notifications-service: the only file that wires and listens. */
import { createJetStreamBroker } from '@checkout/messaging/jetstream.ts'
import { createMessaging } from '@checkout/messaging/messaging.ts'
import { systemClock, uuidv7 } from '@checkout/service/clock.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/service/config.ts'
import { runService } from '@checkout/service/lifecycle.ts'
import { createLogger } from '@checkout/service/logging.ts'
import { createMetrics } from '@checkout/service/metrics.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { createMailer, MAIL_EVERY_MS } from './mailer.ts'
import { createHandlers } from './messages.ts'
import { openNotificationsStore } from './store/index.ts'

const config = loadConfigOrExit(
  Type.Object({
    ...serviceConfig,
    NOTIFICATIONS_PORT: Port(3003),
    SMTP_URL: Type.Optional(
      Type.String({ pattern: '^smtps?://', description: 'an SMTP URL such as smtp://user:password@mail.example:587' }),
    ),
    MAIL_FROM: Type.String({ default: 'Shop <shop@localhost>', pattern: '@', description: 'an e-mail address' }),
  }),
)
const instance = config.INSTANCE
const logger = createLogger({ name: 'notifications-service', instance, level: config.LOG_LEVEL })
const clock = systemClock
const newId = uuidv7
const metrics = createMetrics()
const store = openNotificationsStore({ dataDir: config.DATA_DIR, clock, newId })
const broker = createJetStreamBroker({
  url: config.NATS_URL,
  name: `notifications-service-${instance}`,
  streamMaxBytes: 0,
})
const terms = { clock, newId, mailing: config.SMTP_URL !== undefined }
const handlers = createHandlers(terms)
const messaging = createMessaging({ service: 'notifications-service', store, handlers, broker, clock, logger, metrics })
const mailer =
  config.SMTP_URL === undefined
    ? undefined
    : createMailer({ smtpUrl: config.SMTP_URL, from: config.MAIL_FROM, store, clock, logger })
if (mailer) {
  const duty = messaging.duty({ name: 'mailer', everyMs: MAIL_EVERY_MS, round: mailer.round })
  store.onCommit(duty.wake)
}

const app = await buildApp({
  store,
  handlers,
  terms,
  broker,
  logger,
  metrics,
  instance,
  version: packageJson.version,
  rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
})
// HTTP listens before NATS connects: letters can be read without a broker.
await runService({
  app,
  logger,
  listen: { host: config.HOST, port: config.NOTIFICATIONS_PORT + 10 * (instance - 1), variable: 'NOTIFICATIONS_PORT' },
  closers: [
    { name: 'messaging', close: () => messaging.stop() },
    { name: 'mailer', close: () => mailer?.close() },
    { name: 'broker', close: () => broker.close() },
    { name: 'store', close: () => store.close() },
  ],
})
messaging.start()
await broker.connect()
