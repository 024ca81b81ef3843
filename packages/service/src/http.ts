/** The Fastify that every service starts with: strict, bounded, one log line per request, one form of errors. */
import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Problem as ProblemSchema } from '@checkout/contracts/http.ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, fastify, LogController } from 'fastify'
import type { Registry } from 'prom-client'
import type { TSchema } from 'typebox'
import type { App } from './app.ts'
import { type DocsOptions, registerDocs } from './docs.ts'
import { type HealthChecks, registerHealth } from './health.ts'
import type { Logger } from './logging.ts'
import { registerMetrics } from './metrics.ts'
import { handleError, handleNotFound, invalid, PROBLEM_TYPE, Problem, type ProblemCode } from './problem.ts'
import { registerRateLimit } from './rate-limit.ts'
import { buildValidator } from './validation.ts'

export interface HttpOptions {
  logger: Logger
  /** Bodies to register under their `$id`, for `ref()`. Problem is registered always. */
  schemas?: readonly TSchema[]
  docs?: DocsOptions
  health?: HealthChecks
  metrics?: Registry
  /** Requests per user and minute; 0 or absent = no limit. */
  rateLimitPerMinute?: number
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
    genReqId: requestId,
    // never: the declared type is that of Fastify's own compiler with its pool, not of what it is called with.
    schemaController: { compilersFactory: { buildValidator: buildValidator as never } },
    frameworkErrors: handleError, // bad URLs, which never reach a route
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()

  acceptJsonOnly(app)
  closeUnusedSockets(app)
  app.decorateRequest('userId', '')
  app.decorate('readiness', { draining: false })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  logRequests(app)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)

  app.addSchema(ProblemSchema)
  for (const schema of options.schemas ?? []) app.addSchema(schema)

  await registerRateLimit(app, options.rateLimitPerMinute ?? 0)
  if (options.docs) await registerDocs(app, options.docs)
  if (options.health) registerHealth(app, options.health)
  if (options.metrics) registerMetrics(app, options.metrics)
  return app
}

/** A caller's id is kept so that one request can be followed through the gateway; it must be safe to log and echo. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID()
}

/**
 * JSON only; anything else is 415. `__proto__` and `constructor` come out of JSON.parse as plain own fields, which the
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
      value = parseJson(body.toString())
    } catch {
      return done(new Problem('body_invalid_json'), undefined)
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
function closeUnusedSockets(app: App): void {
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

/** JSON.parse, but half of a surrogate pair (`"\\ud83d"`) is refused: as UTF-8 it could only be stored as another text. */
function parseJson(text: string): unknown {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return JSON.parse(text)
  return JSON.parse(text, (_key, value) => {
    if (typeof value === 'string' && !value.isWellFormed()) throw new SyntaxError('not well-formed Unicode')
    return value
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
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // The client went away, or an answer is under way already: nothing can be said.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy(error)
  const problem = new Problem(clientErrorCodes[error.code ?? ''] ?? 'request_malformed')
  const body = JSON.stringify(problem.toBody(randomUUID()))
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  // Not at once, which could take the answer away from a client that still sends; and not when that one has ended.
  setTimeout(() => socket.destroy(), LAST_BYTES_MS).unref()
}

const clientErrorCodes: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}
