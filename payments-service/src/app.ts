/** payments-service as an app that answers and never listens. */
import { Account, Journey, JourneyStep, LedgerEntry, LedgerPage, Movement } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import type { Handling } from '@checkout/messaging/handling.ts'
import { buildServiceApp, type ServiceAppDeps } from '@checkout/service/service.ts'
import { accountRoutes, type RoutesDeps } from './routes.ts'
import type { PaymentsTx } from './store/port.ts'

export interface AppDeps extends ServiceAppDeps, RoutesDeps {
  handling: Handling<PaymentsTx>
}

export async function buildApp(deps: AppDeps): Promise<App> {
  const app = await buildServiceApp(deps, {
    part: 'payments',
    schemas: [Account, Movement, LedgerEntry, LedgerPage, JourneyStep, Journey],
    docs: { description: 'Accounts and their ledger. Orders are debited asynchronously, exactly once.' },
  })
  accountRoutes(app, deps)
  return app
}
