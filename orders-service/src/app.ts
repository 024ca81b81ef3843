/** orders-service as an app that answers and never listens. */
import { Journey, JourneyStep, NewOrder, NewUser, Order, OrderPage, User } from '@checkout/contracts/http.ts'
import { buildServiceApp, type ServiceAppDeps } from '@checkout/messaging/service.ts'
import type { App } from '@checkout/service/app.ts'
import { handlers } from './messages.ts'
import { orderRoutes, type RoutesDeps, userRoutes } from './routes.ts'

export async function buildApp(deps: ServiceAppDeps & RoutesDeps): Promise<App> {
  const app = await buildServiceApp(deps, {
    part: 'orders',
    handlers,
    schemas: [NewUser, User, NewOrder, Order, OrderPage, JourneyStep, Journey],
    docs: { description: 'Users and orders. Placing an order starts its payment, which runs by itself.' },
  })
  userRoutes(app, deps)
  orderRoutes(app, deps)
  return app
}
