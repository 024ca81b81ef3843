/** orders-service as an app that answers and never listens. */
import * as contracts from '@checkout/contracts/http.ts'
import { adminSchemas, registerDeadLetters, registerStatus } from '@checkout/messaging/admin.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import { type App, buildHttp } from '@checkout/service/http.ts'
import type { Logger } from '@checkout/service/logging.ts'
import type { Registry } from 'prom-client'
import { handlers } from './messages.ts'
import { orderRoutes, type RoutesDeps, userRoutes } from './routes.ts'

export interface AppDeps extends RoutesDeps {
  broker: Pick<Broker, 'connected'>
  logger: Logger
  metrics: Registry
  instance: number
  version: string
  rateLimitPerMinute: number
}

export async function buildApp(deps: AppDeps): Promise<App> {
  const { store, broker, logger, metrics, instance, version, rateLimitPerMinute } = deps
  const { NewUser, User, NewOrder, Order, OrderPage, Journey, JourneyStep } = contracts
  const app = await buildHttp({
    logger,
    metrics,
    rateLimitPerMinute,
    schemas: [NewUser, User, NewOrder, Order, OrderPage, JourneyStep, Journey, ...adminSchemas],
    docs: {
      title: 'orders-service',
      description: 'Users and orders. Placing an order starts its payment, which runs by itself.',
      version,
    },
    health: { store: store.usable, nats: () => broker.connected },
  })
  userRoutes(app, deps)
  orderRoutes(app, deps)
  registerStatus(app, { part: 'orders', version, instance, store, broker })
  registerDeadLetters(app, { store, handlers })
  return app
}
