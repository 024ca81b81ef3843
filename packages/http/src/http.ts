/** The Fastify that every service starts with: strict, bounded, one log line per request, one form of errors. */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Problem as ProblemSchema } from '@checkout/contracts/http.ts'
import type { Logger } from '@checkout/kernel/logging.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { invalid, Problem, type ProblemCode } from '@checkout/kernel/problem.ts'
import { DoubledKey, parseStrictJson } from '@checkout/kernel/strict-json.ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, type FastifyReply, fastify, LogController } from 'fastify'
import type { Registry } from 'prom-client'
import type { TSchema } from 'typebox'
import type { App } from './app.ts'
import { type DocsOptions, registerDocs } from './docs.ts'
import { handleError, handleNotFound, PROBLEM_TYPE, SAFE_HEADERS } from './error-handler.ts'
import { type HealthChecks, registerHealth } from './health.ts'
import { ownHosts } from './hosts.ts'
import { registerMetrics } from './metrics.ts'
import { type RateLimits, registerRateLimit } from './rate-limit.ts'
import { buildValidator } from './validation.ts'

export interface HttpOptions {
  platform: Platform
  logger: Logger
  /** Bodies to register under their `$id`, for `ref()`. Problem is registered always. */
  schemas?: readonly TSchema[]
  docs?: DocsOptions
  health?: HealthChecks
  metrics?: Registry
  /** Requests per user and minute, or where there is none per client address; absent = no limit. */
  rateLimits?: RateLimits
  /** Names of the system, beside local ones and addresses: others are answered 403. None or absent = any name. */
  allowedHosts?: readonly string[]
  /** How long a request may take to arrive; default 10 s. */
  requestTimeoutMs?: number
}

/** The gateway does not take more either. */
export const BODY_BYTES_MAX = 16 * 1024
/** A whole request has to arrive within this: a client that trickles bytes must not hold a socket (slowloris). */
const REQUEST_TIMEOUT_MS = 10_000
/** A socket without any traffic is dropped; longer than the slowest answer, a write that waits 5 s for the store. */
const CONNECTION_TIMEOUT_MS = 30_000
/** While closing, a request that has still not ended by then is cut off: the contract is to be gone in 8 s. */
const CLOSE_CUT_OFF_MS = 5_000
/** How long the client of a refused request has to read the answer. */
const LAST_BYTES_MS = 2_000
/** Node looks for late requests only this often (default 30 s). */
const TIMEOUT_CHECK_MS = 2_000

/**
 * Builds the app; the caller adds its routes and listens (see lifecycle.ts). Asynchronous because limits and
 * documentation must be in place before the first route.
 */
export async function buildHttp(options: HttpOptions): Promise<App> {
  const { platform } = options
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  const app = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // logRequests writes one line, not two
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    // Node swaps the two limits where the one for the headers (default 60 s) is the longer one.
    http: { connectionsCheckingInterval: TIMEOUT_CHECK_MS, headersTimeout: requestTimeout, requestTimeout },
    // While closing, requests on open connections are still served, with Connection: close.
    return503OnClosing: false,
    genReqId: (request) => requestId(request, platform),
    // never: the declared type is that of Fastify's own compiler with its pool, not of what it is called with.
    schemaController: { compilersFactory: { buildValidator: buildValidator as never } },
    frameworkErrors: handleError, // bad URLs, which never reach a route
    clientErrorHandler: (error, socket) => answerClientError(error, socket, platform),
  }).withTypeProvider<TypeBoxTypeProvider>()

  acceptJsonOnly(app)
  closeUnusedSockets(app, platform)
  app.decorateRequest('userId', '')
  app.decorate('readiness', { draining: false })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).headers(SAFE_HEADERS)
    done(isAmbiguous(request.raw) ? lastAnswer('request_malformed', reply) : undefined)
  })
  refuseForeignHosts(app, options.allowedHosts ?? [])
  logRequests(app)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)

  app.addSchema(ProblemSchema)
  for (const schema of options.schemas ?? []) app.addSchema(schema)

  if (options.rateLimits) registerRateLimit(app, options.rateLimits, platform)
  if (options.docs) await registerDocs(app, options.docs)
  if (options.health) registerHealth(app, options.health)
  if (options.metrics) registerMetrics(app, options.metrics)
  return app
}

/** A caller's id is kept so that one request can be followed through the gateway; it must be safe to log and echo. */
export function requestId(request: IncomingMessage, { newId }: Platform): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : newId()
}

/**
 * Two Host fields must be refused (RFC 9112, 3.2), and two Content-Types would leave it to each reader what the body is:
 * Node takes the first of either, another program on the way may have taken the last.
 */
function isAmbiguous({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  let types = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const { length } = rawHeaders[i] as string
    if (length === 4 && (rawHeaders[i] as string).toLowerCase() === 'host') hosts += 1
    if (length === 12 && (rawHeaders[i] as string).toLowerCase() === 'content-type') types += 1
  }
  return hosts > 1 || types > 1
}

/** Probes and scrapes, which are nobody's data, come under whatever name the orchestrator has for a process. */
function refuseForeignHosts(app: App, allowedHosts: readonly string[]): void {
  if (allowedHosts.length === 0) return
  const hosts = ownHosts(allowedHosts)
  app.addHook('onRequest', (request, reply, done) => {
    const foreign = request.routeOptions.config?.quiet !== true && !hosts.has(request.headers.host)
    done(foreign ? lastAnswer('host_forbidden', reply) : undefined)
  })
}

/** A problem that ends the connection, also an upgrade's, which Node has given away and no plugin has taken yet. */
function lastAnswer(code: ProblemCode, reply: FastifyReply): Problem {
  const { socket } = reply.request.raw
  reply.raw.once('finish', () => socket.destroySoon())
  return new Problem(code, { headers: { connection: 'close' } })
}

/**
 * JSON only; anything else is 415. `__proto__` and `constructor` come out of the parser as plain own fields, which the
 * strict schemas refuse as unknown. An empty body is passed on as no body: whether that is allowed, the schema decides.
 */
function acceptJsonOnly(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    // Decoding would replace broken UTF-8 silently, and the order would be stored with another text than was sent.
    if (!isUtf8(body)) return done(new Problem('body_invalid_json'), undefined)
    let value: unknown
    try {
      value = parseStrictJson(body.toString())
    } catch (error) {
      const detail = 'The body names a field twice. Name each field once.'
      return done(new Problem('body_invalid_json', error instanceof DoubledKey ? { detail } : {}), undefined)
    }
    // Fastify shows an absent body to the validator as null, so a literal null must not get that far.
    if (value === null) return done(invalid('', 'must be an object'), undefined)
    done(null, value)
  })
}

/**
 * server.close() waits for every connection but those between two requests. One that has never sent a whole request
 * head (a browser's preconnect, a load balancer's spare) would hold the shutdown until its timeout.
 */
function closeUnusedSockets(app: App, { setTimeout }: Platform): void {
  const unused = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  app.server.on('request', ({ socket }: IncomingMessage) => unused.delete(socket))
  app.addHook('preClose', (done) => {
    // Upgraded sockets never had a 'request' event, but have been written to: they are their owner's to close.
    for (const socket of unused) if (socket.bytesWritten === 0) socket.destroy()
    setTimeout(() => app.server.closeAllConnections(), CLOSE_CUT_OFF_MS).unref()
    done()
  })
}

function logRequests(app: App): void {
  app.addHook('onResponse', (request, reply, done) => {
    if (request.routeOptions.config?.quiet !== true) {
      const { method, url, userId } = request
      const query = url.indexOf('?')
      request.log.info(
        {
          method,
          path: query === -1 ? url : url.slice(0, query),
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime * 10) / 10,
          ...(userId !== '' && { userId }),
        },
        'request',
      )
    }
    done()
  })
}

/** Requests that Node's HTTP parser refuses; there is no request object, so the answer is written by hand. */
function answerClientError(error: Error & { code?: string }, socket: Socket, { newId, setTimeout }: Platform): void {
  // The client went away, or an answer is under way already: nothing can be said.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy(error)
  const problem = new Problem(clientErrorCodes[error.code ?? ''] ?? 'request_malformed')
  const body = JSON.stringify(problem.toBody(newId()))
  const headers = {
    connection: 'close',
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    ...SAFE_HEADERS,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}\r\n${body}`)
  // Not at once, which could take the answer away from a client that still sends; and not when that one has ended.
  setTimeout(() => socket.destroy(), LAST_BYTES_MS).unref()
}

const clientErrorCodes: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}
