/**
 * Carries one request to an instance and its answer back, both as they are.
 *
 * It drives undici's dispatch() itself instead of @fastify/http-proxy: half the CPU per request, and it knows
 * whether a request had been sent when the connection failed, which is what decides if it may be repeated.
 * A request's body is collected first (it is small), so that it can be repeated and a slow client holds no connection
 * to a service; an answer is streamed with backpressure.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PROBLEM_TYPE, Problem, type ProblemCode } from '@checkout/service/problem.ts'
import type { Dispatcher } from 'undici'
import { requestHeaders, responseHeaders } from './headers.ts'
import type { Instance, Upstream } from './upstream.ts'

/** Services refuse bodies over 16 KiB themselves, with a better answer; this only bounds the gateway's memory. */
export const MAX_BODY_BYTES = 1024 * 1024
/** Longer than the 5 s that a write may wait in a service's queue. It covers all attempts up to the answer's headers. */
export const ANSWER_DEADLINE_MS = 10_000
/** With every attempt another instance is asked; more than this means that trouble is not an instance's. */
const MAX_ATTEMPTS = 3

export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  /** The server that took the request: once it no longer listens, its connections end with their next answer. */
  server: { listening: boolean }
  log: { warn(fields: object, message: string): void }
  upstream: Upstream
  /** The request's target at the service. */
  path: string
  /** Put before an absolute path in Location, where `path` is not the path that the client asked for. */
  locationPrefix?: string
}

/** Answers the exchange's request, always: with the instance's answer or with a problem of the gateway's own. */
export function proxy(exchange: Exchange): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = exchange.request.headers
  if (length === undefined && encoding === undefined) exchangeWith(exchange, null)
  else if (Number(length) > MAX_BODY_BYTES) refuseBody(exchange)
  else collectBody(exchange)
}

function collectBody(exchange: Exchange) {
  const { request } = exchange
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
    else if (!exchange.response.headersSent) refuseBody(exchange)
  })
  request.on('end', () => {
    if (size > MAX_BODY_BYTES) return
    exchangeWith(exchange, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
  })
}

/** The whole of what happens between the complete request and the end of its answer. */
function exchangeWith(exchange: Exchange, body: Buffer | null): void {
  const { request, response, upstream, path, requestId, locationPrefix, log, server } = exchange
  const method = request.method as Dispatcher.HttpMethod
  const headers = requestHeaders(request, requestId)
  const repeatable = method === 'GET' || method === 'HEAD'
  let tried: Set<Instance> | undefined
  let attempts = 0
  let answered = false
  let abort: (() => void) | undefined
  const deadline = setTimeout(() => {
    fail('upstream_timeout', 'deadline')
    abort?.()
  }, ANSWER_DEADLINE_MS)

  attempt(upstream.pick())

  function attempt(instance: Instance | undefined) {
    if (instance === undefined) return fail('upstream_unavailable', 'no instance')
    attempts++
    instance.pool.dispatch({ method, path, headers, body }, handlerFor(instance))
  }

  function fail(code: ProblemCode, cause: string | undefined) {
    answered = true
    clearTimeout(deadline)
    if (!server.listening) response.shouldKeepAlive = false
    log.warn({ upstream: upstream.name, code, cause, attempts }, 'request not served')
    answerProblem(response, new Problem(code), requestId)
  }

  function handlerFor(instance: Instance): Dispatcher.DispatchHandlers {
    let sent = false
    let goOn = () => {}
    return {
      onConnect(abortAttempt) {
        if (answered) return abortAttempt() // the deadline passed while this waited for a connection
        sent = true
        abort = abortAttempt
      },
      onHeaders(status, raw, resume) {
        if (status < 200 || answered) return true
        answered = true
        clearTimeout(deadline)
        const fields = responseHeaders(raw, requestId)
        // This status must say what to upgrade to (RFC 9110, 15.5.22), and the field speaks of this connection too.
        if (status === 426) fields.push('connection', 'upgrade', 'upgrade', 'websocket')
        if (locationPrefix !== undefined) prefixLocation(fields, locationPrefix)
        if (!server.listening) response.shouldKeepAlive = false
        response.writeHead(status, fields)
        goOn = resume
        return true
      },
      onData(chunk) {
        // Of an answer to a client that has gone the rest is read and thrown away: the connection stays in use.
        if (response.destroyed || response.write(chunk)) return true
        whenWritable(response, goOn)
        return false
      },
      onComplete() {
        response.end()
      },
      onError(error: NodeJS.ErrnoException) {
        // Cut short in the middle of an answer, the client must see that too.
        if (answered) return void (response.writableEnded || response.destroy())
        // Refused, unreachable, not connected in time: the request did not leave, so any method may go elsewhere.
        if (!sent) upstream.drop(instance)
        else upstream.suspect(instance)
        if ((!sent || repeatable) && attempts < MAX_ATTEMPTS) {
          tried = (tried ?? new Set()).add(instance)
          const next = upstream.pick(tried)
          // The only instance may have closed a connection that it kept open too long: that is worth a second try.
          return attempt(next ?? (sent ? instance : undefined))
        }
        fail('upstream_unavailable', error.code)
      },
    }
  }
}

/** Answers a problem outside of Fastify, whose reply was taken over. */
export function answerProblem(response: ServerResponse, problem: Problem, requestId: string): void {
  if (response.destroyed) return
  const body = JSON.stringify(problem.toBody(requestId))
  response.writeHead(problem.status, {
    ...problem.headers,
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
  })
  response.end(body)
}

/** The rest of the body is not read: the connection ends with this answer. */
function refuseBody({ response, requestId }: Exchange) {
  const problem = new Problem('body_too_large', {
    detail: 'The body is over 1 MiB. Send a smaller one.',
    headers: { connection: 'close' },
  })
  answerProblem(response, problem, requestId)
}

/** Calls back once, when the response takes more or when its client has gone. */
function whenWritable(response: ServerResponse, callback: () => void) {
  const once = () => {
    response.off('drain', once)
    response.off('close', once)
    callback()
  }
  response.on('drain', once)
  response.on('close', once)
}

function prefixLocation(fields: string[], prefix: string) {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() === 'location' && fields[i + 1]?.startsWith('/docs')) {
      fields[i + 1] = prefix + (fields[i + 1] as string).slice('/docs'.length)
    }
  }
}
