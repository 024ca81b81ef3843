/** notifications-service as an app that answers and never listens. */
import {
  Journey,
  JourneyStep,
  Letter,
  LetterPage,
  NewMessage,
  PushedLetter,
  PushReady,
} from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import type { Handling } from '@checkout/messaging/handling.ts'
import { buildServiceApp, type ServiceAppDeps } from '@checkout/service/service.ts'
import { letterRoutes, type RoutesDeps } from './routes.ts'
import type { NotificationsTx } from './store/port.ts'
import { type StreamDeps, streamRoute } from './stream.ts'

export interface AppDeps extends ServiceAppDeps, RoutesDeps, StreamDeps {
  handling: Handling<NotificationsTx>
}

export async function buildApp(deps: AppDeps): Promise<App> {
  const app = await buildServiceApp(deps, {
    part: 'notifications',
    schemas: [Letter, LetterPage, NewMessage, PushedLetter, PushReady, JourneyStep, Journey],
    docs: { description: 'Letters to the users: of joy for a paid order, of sorrow for a failed one.' },
  })
  letterRoutes(app, deps)
  await streamRoute(app, deps)
  return app
}
