/** orders-service as an app that answers and never listens. */
import { Journey, JourneyStep, NewOrder, NewUser, Order, OrderPage, User } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import type { Handling } from '@checkout/messaging/handling.ts'
import { buildServiceApp, type ServiceAppDeps } from '@checkout/service/service.ts'
import { orderRoutes, type RoutesDeps, userRoutes } from './routes.ts'
import type { OrdersTx } from './store/port.ts'

export interface AppDeps extends ServiceAppDeps, RoutesDeps {
  handling: Handling<OrdersTx>
}

export async function buildApp(deps: AppDeps): Promise<App> {
  const app = await buildServiceApp(deps, {
    part: 'orders',
    schemas: [NewUser, User, NewOrder, Order, OrderPage, JourneyStep, Journey],
    docs: { description: 'Users and orders. Placing an order starts its payment, which runs by itself.' },
  })
  userRoutes(app, deps)
  orderRoutes(app, deps)
  return app
}
