/**
 * Carries one request to an instance and its answer back, both as they are.
 *
 * It drives undici's dispatch() itself instead of @fastify/http-proxy: half the CPU per request, and it knows
 * whether a request had been sent when the connection failed, which is what decides if it may be repeated.
 * A request's body is collected first (it is small), so that it can be repeated and a slow client holds no connection
 * to a service; of an answer as much is kept as a slow client has not read (readers.ts).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PROBLEM_TYPE, SAFE_HEADERS } from '@checkout/http/error-handler.ts'
import { BODY_BYTES_MAX } from '@checkout/http/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import type { Dispatcher } from 'undici'
import { requestHeaders, responseHeaders } from './headers.ts'
import type { Flight } from './lane.ts'
import { hasGone, type Readers } from './readers.ts'
import type { Instance, Upstream } from './upstream.ts'

/** Longer than the 5 s that a write may wait in a service's queue. It covers all attempts up to the answer's headers. */
export const ANSWER_DEADLINE_MS = 10_000
/** With every attempt another instance is asked; more than this means that trouble is not an instance's. */
const MAX_ATTEMPTS = 3
/** Bodies that are being collected, all together: 4,096 clients that send slowly, each the longest one. */
const COLLECTING_BYTES_MAX = 64 * 1024 * 1024

export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  /** The server that took the request: once it no longer listens, its connections end with their next answer. */
  server: { listening: boolean }
  log: { warn(fields: object, message: string): void }
  upstream: Upstream
  readers: Readers
  platform: Platform
  /** The request's target at the service. */
  path: string
  /** Put before an absolute path in Location, where `path` is not the path that the client asked for. */
  locationPrefix?: string
}

/** Answers the exchange's request, always: with the instance's answer or with a problem of the gateway's own. */
export function proxy(exchange: Exchange): void {
  const { request, response, requestId, path } = exchange
  const headers = requestHeaders(request, path, requestId)
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (typeof headers === 'string') refuse(exchange, new Problem(headers))
  else if (length === undefined && encoding === undefined) exchangeWith(exchange, headers, null)
  else if (Number(length) > BODY_BYTES_MAX) refuse(exchange, new Problem('body_too_large'))
  else collectBody(exchange, (body) => hasGone(response) || exchangeWith(exchange, headers, body))
}

/** The body is read to its end all the same, and thrown away: a client that still sends it would not see the answer. */
function refuse({ request, response, requestId }: Exchange, problem: Problem) {
  request.resume()
  answerProblem(response, problem, requestId)
}

/** Of all requests that are being collected now. */
let collecting = 0

function collectBody(exchange: Exchange, then: (body: Buffer) => void) {
  const { request } = exchange
  const announced = request.headers['content-length']
  const capacity = announced === undefined ? BODY_BYTES_MAX : Number(announced)
  let body: Buffer | undefined
  let size = 0
  let reserved = 0
  let refused = false
  const release = () => {
    collecting -= reserved
    reserved = 0
  }
  const refuseRest = (problem: Problem) => {
    refused = true
    refuse(exchange, problem)
  }
  request.on('data', (chunk: Buffer) => {
    if (refused) return
    const start = size
    size += chunk.length
    if (size > capacity) return refuseRest(new Problem('body_too_large'))
    if (size === chunk.length && size === capacity) {
      body = chunk // the usual case: whole at once
      return
    }
    if (reserved === 0) {
      if (collecting + capacity > COLLECTING_BYTES_MAX) return refuseRest(notSent('store_unavailable'))
      reserved = capacity
      collecting += capacity
      request.on('close', release)
      // One buffer, not a list of pieces: from a client that sends byte by byte that would be an object for each.
      body = Buffer.allocUnsafeSlow(capacity)
    }
    chunk.copy(body as Buffer, start)
  })
  request.on('end', () => {
    release()
    if (!refused) then(body?.subarray(0, size) ?? Buffer.alloc(0))
  })
}

/** The whole of what happens between the complete request and the end of its answer. */
function exchangeWith(exchange: Exchange, headers: string[], body: Buffer | null): void {
  const { request, response, upstream, path, requestId, locationPrefix, log, server, readers, platform } = exchange
  const method = request.method as Dispatcher.HttpMethod
  const repeatable = method === 'GET' || method === 'HEAD'
  const kind = repeatable ? 'reads' : 'writes'
  let tried: Set<Instance> | undefined
  let attempts = 0
  let answered = false
  let takeBack = () => false
  // A turn of the event loop later: when the gateway itself was held up, the answer may be here already.
  const deadline = platform.setTimeout(() => platform.setImmediate(onDeadline), ANSWER_DEADLINE_MS)

  attempt(upstream.pick(kind))

  function attempt(instance: Instance | undefined) {
    if (instance === undefined) {
      return fail(notSent(upstream.isSilent() ? 'upstream_timeout' : 'upstream_unavailable'), 'no instance')
    }
    attempts++
    const lane = instance.lanes[kind]
    const flight = flightTo(instance)
    takeBack = () => lane.cut(flight)
    lane.send(flight)
  }

  function onDeadline() {
    if (!answered) fail(takeBack() ? new Problem('upstream_timeout') : notSent('upstream_timeout'), 'deadline')
  }

  function finish() {
    answered = true
    platform.clearTimeout(deadline)
    if (!server.listening) response.shouldKeepAlive = false
  }

  function fail(problem: Problem, cause: string | undefined) {
    finish()
    log.warn({ upstream: upstream.name, code: problem.code, cause, attempts }, 'request not served')
    answerProblem(response, problem, requestId)
  }

  function flightTo(instance: Instance): Flight {
    let goOn = () => {}
    return {
      request: { origin: instance.origin, method, path, headers, body },
      isWanted: () => !hasGone(response),
      onHeaders(status, raw, resume) {
        if (status < 200) return
        const fields = responseHeaders(raw, requestId)
        // This status must say what to upgrade to (RFC 9110, 15.5.22), and the field speaks of this connection too.
        if (status === 426) fields.push('connection', 'upgrade', 'upgrade', 'websocket')
        if (locationPrefix !== undefined) prefixLocation(fields, locationPrefix)
        if (!server.listening) response.shouldKeepAlive = false
        response.writeHead(status, fields)
        finish()
        goOn = resume
      },
      // Of an answer to a client that has gone the rest is read and thrown away: the connection stays in use.
      onData: (chunk) => hasGone(response) || response.write(chunk) || readers.keep(response, goOn),
      onComplete() {
        response.end()
      },
      onFailure(failure, sent, code) {
        // Cut short in the middle of an answer, the client must see that too.
        if (answered) return void (response.writableEnded || response.destroy())
        if (failure === 'unwanted') return finish()
        if (failure === 'refused') return fail(new Problem('request_malformed'), code)
        if (failure === 'busy') return fail(notSent('store_unavailable'), failure)
        if (failure === 'broken') {
          // Refused, unreachable, not connected in time: the request did not leave, so any method may go elsewhere.
          if (!sent) upstream.drop(instance)
          else upstream.suspect(instance)
        }
        if ((!sent || repeatable) && attempts < MAX_ATTEMPTS) {
          tried = (tried ?? new Set()).add(instance)
          const next = upstream.pick(kind, tried)
          // The only instance may have closed a connection that it kept open too long: that is worth a second try.
          return attempt(next ?? (sent && failure === 'broken' ? instance : undefined))
        }
        const outcome = failure === 'silent' ? 'upstream_timeout' : 'upstream_unavailable'
        fail(sent && !repeatable ? new Problem(outcome, unknownEffect) : notSent(outcome), code ?? failure)
      },
    }
  }
}

const unknownEffect = {
  detail: 'The service behind the gateway did not answer. The effect is unknown; retry safely.',
}

/** A problem whose request no instance has got, or only one that could be read again: it had no effect. */
function notSent(code: 'store_unavailable' | 'upstream_timeout' | 'upstream_unavailable') {
  const what = code === 'store_unavailable' ? 'has too much to do' : 'does not answer'
  return new Problem(code, {
    detail: `The service behind the gateway ${what}. Nothing was changed; try again shortly.`,
  })
}

/** Answers a problem outside of Fastify, whose reply was taken over. */
export function answerProblem(response: ServerResponse, problem: Problem, requestId: string): void {
  if (response.destroyed || response.headersSent) return
  const body = JSON.stringify(problem.toBody(requestId))
  response.writeHead(problem.status, {
    ...problem.headers,
    ...SAFE_HEADERS,
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
  })
  response.end(body)
}

function prefixLocation(fields: string[], prefix: string) {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() === 'location' && fields[i + 1]?.startsWith('/docs')) {
      fields[i + 1] = prefix + (fields[i + 1] as string).slice('/docs'.length)
    }
  }
}
