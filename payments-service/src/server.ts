/** Composition root of payments-service: the only file that wires and listens. */
import { services } from '@checkout/contracts/services.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/kernel/config.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMeasuredMessaging } from '@checkout/service/messaging-metrics.ts'
import { createBase, runMessagingService } from '@checkout/service/service.ts'
import { keptAnswers } from '@checkout/store/idempotency.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { createHandlers } from './messages.ts'
import { openPaymentsStore } from './store/index.ts'
import type { PaymentsTx } from './store/port.ts'

const own = services.payments
const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, PAYMENTS_PORT: Port(own.port) }))
const base = await createBase(own.name, packageJson.version, config, openPaymentsStore)
const { currency } = base.deployment
const handling = createHandling({ ...base, handlers: createHandlers({ ...base, currency }) })
const messaging = createMeasuredMessaging<PaymentsTx>({
  ...base,
  handling,
  kept: [keptAnswers(base.store.read.idempotency)],
})

await runMessagingService(base, {
  app: await buildApp({ ...base, handling, currency }),
  messaging,
  listen: { host: config.SERVICES_HOST, basePort: config.PAYMENTS_PORT, variable: 'PAYMENTS_PORT' },
})
