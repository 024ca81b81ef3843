/** payments-service as an app that answers and never listens. */
import { Account, Journey, JourneyStep, LedgerEntry, LedgerPage, Movement } from '@checkout/contracts/http.ts'
import { adminSchemas, registerDeadLetters, registerStatus } from '@checkout/messaging/admin.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import type { Handlers } from '@checkout/messaging/consumer.ts'
import { type App, buildHttp } from '@checkout/service/http.ts'
import type { Logger } from '@checkout/service/logging.ts'
import type { Registry } from 'prom-client'
import { accountRoutes, type RoutesDeps } from './routes.ts'
import type { PaymentsTx } from './store/index.ts'

export interface AppDeps extends RoutesDeps {
  handlers: Handlers<PaymentsTx>
  broker: Pick<Broker, 'connected'>
  logger: Logger
  metrics: Registry
  instance: number
  version: string
  rateLimitPerMinute: number
}

export async function buildApp(deps: AppDeps): Promise<App> {
  const { store, handlers, broker, logger, metrics, instance, version, rateLimitPerMinute } = deps
  const app = await buildHttp({
    logger,
    metrics,
    rateLimitPerMinute,
    schemas: [Account, Movement, LedgerEntry, LedgerPage, JourneyStep, Journey, ...adminSchemas],
    docs: {
      title: 'payments-service',
      description: 'Accounts and their ledger. Orders are debited asynchronously, exactly once.',
      version,
    },
    health: { store: store.usable, nats: () => broker.connected },
  })
  accountRoutes(app, deps)
  registerStatus(app, { part: 'payments', version, instance, store, broker })
  registerDeadLetters(app, { store, handlers })
  return app
}
