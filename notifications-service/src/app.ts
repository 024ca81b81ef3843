/** notifications-service as an app that answers and never listens. */
import { Journey, JourneyStep, Letter, LetterPage, NewMessage } from '@checkout/contracts/http.ts'
import { adminSchemas, registerDeadLetters, registerStatus } from '@checkout/messaging/admin.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import type { Handlers } from '@checkout/messaging/consumer.ts'
import { type App, buildHttp } from '@checkout/service/http.ts'
import type { Logger } from '@checkout/service/logging.ts'
import type { Registry } from 'prom-client'
import { letterRoutes, type RoutesDeps } from './routes.ts'
import type { NotificationsTx } from './store/index.ts'

export interface AppDeps extends RoutesDeps {
  handlers: Handlers<NotificationsTx>
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
    schemas: [Letter, LetterPage, NewMessage, JourneyStep, Journey, ...adminSchemas],
    docs: {
      title: 'notifications-service',
      description: 'Letters to the users: of joy for a paid order, of sorrow for a failed one.',
      version,
    },
    health: { store: store.usable, nats: () => broker.connected },
  })
  letterRoutes(app, deps)
  registerStatus(app, { part: 'notifications', version, instance, store, broker })
  registerDeadLetters(app, { store, handlers })
  return app
}
