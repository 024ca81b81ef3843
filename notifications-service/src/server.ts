/** Composition root of notifications-service: the only file that wires and listens. */

import { services } from '@checkout/contracts/services.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/kernel/config.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMeasuredMessaging } from '@checkout/service/messaging-metrics.ts'
import { createBase, runMessagingService } from '@checkout/service/service.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { ADDRESS_BATCH, addressMore } from './add-contact.ts'
import { buildApp } from './app.ts'
import { createMailer, type Mailer } from './mailer.ts'
import { createHandlers } from './messages.ts'
import { createPush } from './push.ts'
import { openNotificationsStore } from './store/index.ts'

const own = services.notifications
const mailConfig = {
  SMTP_URL: Type.Optional(
    Type.String({ pattern: '^smtps?://', description: 'an SMTP URL such as smtp://user:password@mail.example:587' }),
  ),
  MAIL_FROM: Type.String({ default: 'Shop <shop@localhost>', pattern: '@', description: 'an e-mail address' }),
}
const streamConfig = {
  NOTIFICATIONS_PORT: Port(own.port),
  ALLOWED_ORIGINS: Type.Array(Type.String({ pattern: '^https?://[^/]+$' }), {
    default: [],
    description: 'comma-separated origins such as https://shop.example',
  }),
  STREAM_USER_FROM_QUERY: Type.Boolean({ default: true }),
}
const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, ...mailConfig, ...streamConfig }))
const base = await createBase(own.name, packageJson.version, config, openNotificationsStore)
const { SMTP_URL: smtpUrl, MAIL_FROM: from } = config
const terms = { ...base, mailing: smtpUrl !== undefined }
const push = createPush({ ...base, signals: base.broker })
const handling = createHandling({
  ...base,
  handlers: createHandlers(terms),
  onCommitted: ({ data }) => push.wake(data.userId),
})
const messaging = createMeasuredMessaging({ ...base, handling })
messaging.duty({
  name: 'addressing',
  everyMs: 2_000,
  round: async () =>
    (await base.store.read.letters.addressing()) &&
    (await base.store.write((tx) => addressMore(tx, ADDRESS_BATCH, terms))) > 0,
})
let mailer: Mailer | undefined
if (smtpUrl !== undefined) {
  const schedule = messaging.schedule(async () => (await base.store.read.letters.nextMailAt()) !== undefined)
  mailer = createMailer({ ...base, smtpUrl, from, schedule })
  base.store.onCommit(messaging.duty(mailer).wake)
}

push.start()
await runMessagingService(base, {
  app: await buildApp({
    ...base,
    handling,
    terms,
    push,
    allowedOrigins: config.ALLOWED_ORIGINS,
    userFromQuery: config.STREAM_USER_FROM_QUERY,
  }),
  messaging,
  listen: { host: config.SERVICES_HOST, basePort: config.NOTIFICATIONS_PORT, variable: 'NOTIFICATIONS_PORT' },
  closers: [
    { name: 'push', close: push.stop },
    { name: 'mailer', close: () => mailer?.close() },
  ],
})
