/** The web service: the built UI and the documentation page, as files, under a strict Content-Security-Policy. */
import { existsSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { App } from '@checkout/http/app.ts'
import { buildHttp } from '@checkout/http/http.ts'
import type { Logger } from '@checkout/kernel/logging.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import fastifyStatic from '@fastify/static'
import type { Registry } from 'prom-client'

export interface WebOptions {
  platform: Platform
  logger: Logger
  metrics: Registry
  /** The folder that `make build` fills, absolute. Its files are listed once, so a new build wants a restart. */
  dist: string
}

/**
 * Nothing comes from elsewhere, nothing inline is run, nobody may frame the pages. `connect-src 'self'` covers the
 * WebSocket on the same origin too (CSP 3, 6.7.2.8: ws matches http). Forms are handled by script and go nowhere.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const SECURITY_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/** Vite puts a hash of the content into the names below assets/: such a file never changes. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
/** Everything else is asked for again each time and answered 304 while its ETag is the same. */
const REVALIDATED = 'no-cache'

/** Builds the service on a complete `dist` (see whatIsMissing); does not listen. */
export async function buildApp({ platform, logger, metrics, dist }: WebOptions): Promise<App> {
  const app = await buildHttp({ platform, logger, metrics })
  const quiet = { config: { quiet: true } }
  // It owns no data and needs no broker, so it is ready as soon as it answers.
  app.get('/health/live', quiet, async () => ({ status: 'ok' }))
  app.get('/health/ready', quiet, async () => ({ status: 'ok' }))

  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.headers(SECURITY_HEADERS)
    done(null, payload)
  })
  await app.register(fastifyStatic, {
    root: dist,
    // A route per file instead of a wildcard: odd paths never reach the file system, they are simply not found.
    wildcard: false,
    globIgnore: ['**/*.{br,gz}'],
    preCompressed: true,
    cacheControl: false,
    setHeaders: (reply, file) => {
      const immutable = relative(dist, file).startsWith(`assets${sep}`)
      reply.header('cache-control', immutable ? IMMUTABLE : REVALIDATED)
    },
  })
  return app
}

/** What to tell the user when the folder does not hold a finished build; undefined when it does. */
export function whatIsMissing(dist: string): string | undefined {
  const missing = ['index.html', 'docs/index.html'].map((file) => join(dist, file)).filter((file) => !existsSync(file))
  if (missing.length === 0) return undefined
  return `The web UI is not built, ${missing.join(' and ')} missing. Build it: make build`
}
