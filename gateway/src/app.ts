/**
 * The gateway's routes: which path belongs to which service. Routing only; what a request may do is decided by the
 * service that gets it. Paths that are no service's go to web, so /admin and /metrics of the services cannot be
 * reached from here.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Part, parts } from '@checkout/contracts/services.ts'
import type { App } from '@checkout/http/app.ts'
import { handleNotFound } from '@checkout/http/error-handler.ts'
import { buildHttp } from '@checkout/http/http.ts'
import { upgradeOnly } from '@checkout/http/upgrade.ts'
import type { Logger } from '@checkout/kernel/logging.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { proxy } from './proxy.ts'
import { createReaders, type ReaderLimits } from './readers.ts'
import { createUpgrades, type Upgrades } from './upgrade.ts'
import type { Upstream } from './upstream.ts'

export type Upstreams = Record<Part | 'web', Upstream>

const STREAM_PATH = '/notifications/stream'

/** Builds the gateway on upstreams that the caller starts and closes; does not listen. */
export async function buildApp(deps: {
  upstreams: Upstreams
  platform: Platform
  logger: Logger
  metrics: Registry
  allowedHosts?: readonly string[]
  /** How long nothing may move on a WebSocket; see upgrade.ts. */
  silenceMs?: number
  /** How long a request may take to arrive; see http.ts. */
  requestTimeoutMs?: number
  readerLimits?: ReaderLimits
}): Promise<App> {
  const { upstreams, platform, logger, requestTimeoutMs, allowedHosts = [] } = deps
  const app = await buildHttp({
    platform,
    logger,
    metrics: deps.metrics,
    allowedHosts,
    ...(requestTimeoutMs && { requestTimeoutMs }),
  })
  const readers = createReaders(platform, deps.readerLimits)
  registerHealth(app, upstreams)

  forward('/users', upstreams.orders)
  forward('/orders', upstreams.orders)
  forward('/accounts', upstreams.payments)
  forward('/notifications', upstreams.notifications)
  for (const part of parts) {
    forward(`/journeys/${part}`, upstreams[part])
    forward(`/status/${part}`, upstreams[part])
    forwardDocs(`/docs/${part}`, upstreams[part])
  }
  for (const path of ['/journeys', '/journeys/*', '/status', '/status/*']) app.all(path, handleNotFound)
  for (const page of ['/docs', '/docs/events']) {
    app.get(page, (request, reply) => reply.redirect(`${page}/${queryOf(request.url)}`))
  }
  app.all('/*', { onRequest: (request, reply) => pass(upstreams.web, request, reply) }, neverCalled)

  pipeUpgrades(app, createUpgrades(upstreams.notifications, platform, logger, deps.silenceMs))
  return app

  /**
   * Hands the request over in the onRequest hook, which then never calls back: Fastify has not touched the body yet
   * and does not go on. Its onResponse hooks (log, metrics) still run when the answer has been sent.
   */
  function pass(
    upstream: Upstream,
    request: FastifyRequest,
    reply: FastifyReply,
    rewritten?: { path: string; locationPrefix: string },
  ) {
    reply.hijack()
    proxy({
      request: request.raw,
      response: reply.raw,
      requestId: request.id,
      server: request.server.server,
      log: request.log,
      upstream,
      readers,
      platform,
      path: rewritten?.path ?? originForm(request),
      ...(rewritten && { locationPrefix: rewritten.locationPrefix }),
    })
  }

  /** The path and everything below it, unchanged. */
  function forward(path: string, upstream: Upstream) {
    const options = { onRequest: (request: FastifyRequest, reply: FastifyReply) => pass(upstream, request, reply) }
    app.all(path, options, neverCalled)
    app.all(`${path}/*`, options, neverCalled)
  }

  /** A service knows its documentation as /docs/. */
  function forwardDocs(path: string, upstream: Upstream) {
    // Without the slash the page's relative links would point beside it.
    app.get(path, (request, reply) => reply.redirect(`${path}/${queryOf(request.url)}`))
    const onRequest = (request: FastifyRequest, reply: FastifyReply) =>
      pass(upstream, request, reply, { path: `/docs${originForm(request).slice(path.length)}`, locationPrefix: path })
    app.all(`${path}/*`, { onRequest }, neverCalled)
  }
}

async function neverCalled() {
  throw new Error('the onRequest hook takes the request over')
}

/** The target without scheme and authority, which a client may send (RFC 9112, 3.2.2). */
function originForm(request: FastifyRequest) {
  const target = request.raw.url ?? '/'
  return target.startsWith('/') ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/^(?!\/)/, '/')
}

function queryOf(url: string) {
  const query = url.indexOf('?')
  return query === -1 ? '' : url.slice(query)
}

/** Ready when every service has an instance that is: the body tells which ones are missing. */
function registerHealth(app: App, upstreams: Upstreams) {
  const options = { config: { quiet: true } }
  app.get('/health/live', options, async () => ({ status: 'ok' }))
  app.get('/health/ready', options, async (_request, reply) => {
    const states = Object.values(upstreams).map((upstream) => {
      const { instances } = upstream.state()
      return [upstream.name, { status: instances.some((one) => one.live) ? 'ok' : 'failed', instances }] as const
    })
    const ready = !app.readiness.draining && states.every(([, { status }]) => status === 'ok')
    reply.code(ready ? 200 : 503)
    return { status: ready ? 'ok' : 'failed', upstreams: Object.fromEntries(states) }
  })
}

function pipeUpgrades(app: App, upgrades: Upgrades) {
  upgradeOnly(app.server, STREAM_PATH)
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    upgrades.accept(request, socket, head)
  })
  app.addHook('preClose', async () => upgrades.close())
}
