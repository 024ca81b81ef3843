/** Composition root of payments-service: the only file that wires and listens. */
import { streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMessaging } from '@checkout/messaging/messaging.ts'
import { createBase, runMessagingService } from '@checkout/messaging/service.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/service/config.ts'
import { requireCurrency } from '@checkout/service/deployment.ts'
import { keptAnswers } from '@checkout/service/idempotency.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { createHandlers } from './messages.ts'
import { openPaymentsStore } from './store/index.ts'

const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, PAYMENTS_PORT: Port(3002) }))
const base = createBase('payments-service', packageJson.version, config)
const { CURRENCY: currency, DATA_DIR: dataDir } = config
const store = openPaymentsStore({ ...base, dataDir })
await requireCurrency(store, { currency, dataDir })
const handlers = createHandlers({ ...base, currency })
const messaging = createMessaging({ ...base, store, handlers, kept: [keptAnswers(store.read.idempotency)] })

await runMessagingService(base, {
  app: await buildApp({ ...base, store, handlers, currency }),
  store,
  messaging,
  listen: { host: config.SERVICES_HOST, basePort: config.PAYMENTS_PORT, variable: 'PAYMENTS_PORT' },
})
