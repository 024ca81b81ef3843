/** Health, for orchestrators and the gateway. */
import type { App } from './app.ts'

export interface HealthChecks {
  /** Whether the database can be used; may throw, which counts as no. */
  store: () => boolean | Promise<boolean>
  /** Whether the broker is connected. Without it orders are still taken, so the service is degraded, not unready. */
  nats: () => boolean | Promise<boolean>
}

/** `/health/live` touches nothing; `/health/ready` answers 200 while the store is usable, else 503; also 503 when stopping. */
export function registerHealth(app: App, checks: HealthChecks): void {
  const options = { config: { quiet: true }, schema: { hide: true } }
  app.get('/health/live', options, async () => ({ status: 'ok' }))
  app.get('/health/ready', options, async (_request, reply) => {
    if (app.readiness.draining) return reply.code(503).send({ status: 'stopping' })
    const [store, nats] = await Promise.all([passes(checks.store), passes(checks.nats)])
    const status = !store ? 'failed' : nats ? 'ok' : 'degraded'
    reply.code(store ? 200 : 503)
    return { status, store: store ? 'ok' : 'failed', nats: nats ? 'ok' : 'degraded' }
  })
}

async function passes(check: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await check()
  } catch {
    return false
  }
}
