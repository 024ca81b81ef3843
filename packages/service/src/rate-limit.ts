/** The limit per user, off by default: it protects the others from one client's runaway loop. */
import rateLimit from '@fastify/rate-limit'
import type { App } from './app.ts'
import { Problem } from './problem.ts'
import { RateWindows } from './rate-windows.ts'

/**
 * At most `perMinute` requests per user and minute and instance; 0 switches it off. Beyond: 429 rate_limited with
 * Retry-After. Routes that do not identify the user (health, metrics, docs) are not limited.
 * Call it before the routes are added.
 */
export async function registerRateLimit(app: App, perMinute: number): Promise<void> {
  if (perMinute === 0) return
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: '1 minute',
    store: RateWindows,
    // After every onRequest hook, so that identify has run wherever the route put it; still before the body is read.
    hook: 'preParsing',
    keyGenerator: (request) => request.userId,
    allowList: (request) => request.userId === '',
    errorResponseBuilder: () => new Problem('rate_limited'), // the plugin has set Retry-After
  })
}
