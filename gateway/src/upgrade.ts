/**
 * The WebSocket's way through the gateway: the upgrade request goes to an instance, and only when that has agreed do the
 * two sockets become one pipe. So a refusal reaches the client as the HTTP answer that it is, and a client
 * that does not read slows the service down instead of filling the gateway's memory.
 *
 * The answer is parsed, not piped blindly: after a refusal the client could otherwise go on speaking HTTP to the
 * service over the same socket, past the routing.
 */
import { request as httpRequest, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { requestId as makeRequestId } from '@checkout/http/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem, type ProblemCode } from '@checkout/kernel/problem.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import { CONNECT_TIMEOUT_MS } from './lane.ts'
import { ANSWER_DEADLINE_MS, answerProblem } from './proxy.ts'
import type { Instance, Upstream } from './upstream.ts'

/** What a closed side leaves unread in the other one's buffers may take this long to get there. */
const LAST_BYTES_MS = 10_000

/**
 * A pair on which nothing has moved for this long is cut. The service pings every 20 s, so that happens only when it hangs,
 * or when the client reads nothing: then the pipe does not read either, and never learns that the service has gone.
 */
const SILENCE_MS = 120_000

type Log = { info(fields: object, message: string): void }

export interface Upgrades {
  /** Takes over a client's socket after an upgrade request; `head` is what it has sent behind the request. */
  accept(request: IncomingMessage, socket: Socket, head: Buffer): void
  /** Closes every socket that was taken over, so that each client notices and connects elsewhere. */
  close(): void
}

export function createUpgrades(upstream: Upstream, platform: Platform, log: Log, silenceMs = SILENCE_MS): Upgrades {
  const open = new Set<Socket>()
  let closed = false

  function accept(request: IncomingMessage, socket: Socket, head: Buffer) {
    if (closed) return void socket.destroy()
    const requestId = makeRequestId(request, platform)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(0)
    const { url: path = '', headers: known } = request
    const answerLast = () => responseOn(request, socket)
    const headers = requestHeaders(request, path, requestId)
    if (typeof headers === 'string') return refuse(headers)
    // A body would be taken for the client's first frames.
    if (Number(known['content-length'] ?? 0) > 0 || known['transfer-encoding']) return refuse('request_malformed')
    const fields = [...headers, 'connection', 'Upgrade', 'upgrade', known.upgrade ?? 'websocket']
    attempt(new Set())

    function attempt(tried: Set<Instance>) {
      const instance = upstream.pick('reads', tried)
      if (instance === undefined) return refuse(upstream.isSilent() ? 'upstream_timeout' : 'upstream_unavailable')
      const { hostname, port } = new URL(instance.origin)
      const attempted = httpRequest({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port || 80,
        path,
        headers: fields,
        agent: false,
        timeout: CONNECT_TIMEOUT_MS,
      })
      const giveUp = () => attempted.destroy()
      socket.once('close', giveUp)
      let sent = false
      let timedOut = false
      let answered = false
      attempted.on('socket', (opened) =>
        opened.once('connect', () => {
          sent = true
          attempted.setTimeout(ANSWER_DEADLINE_MS)
        }),
      )
      // Not connected yet, it is an address that has gone: that is no time-out, whoever notices it first.
      const giveUpOnIt = () => {
        timedOut = sent
        attempted.destroy()
      }
      attempted.on('timeout', giveUpOnIt)
      instance.onSilent.add(giveUpOnIt)
      attempted.on('close', () => instance.onSilent.delete(giveUpOnIt))
      attempted.on('upgrade', (answer, upstreamSocket, upstreamHead) => {
        answered = true
        instance.onSilent.delete(giveUpOnIt)
        socket.off('close', giveUp)
        logEnd(101, instance)
        const preamble = statusLineAndHeaders(answer, requestId)
        join(socket, head, upstreamSocket as Socket, upstreamHead, preamble, silenceMs)
      })
      attempted.on('response', (refusal) => {
        answered = true
        logEnd(refusal.statusCode ?? 502, instance)
        const response = answerLast()
        response.writeHead(refusal.statusCode ?? 502, [
          ...responseHeaders(refusal.rawHeaders, requestId),
          'connection',
          'close',
        ])
        refusal.pipe(response)
        refusal.on('error', () => socket.destroy())
      })
      attempted.on('error', () => {
        socket.off('close', giveUp)
        if (socket.destroyed || answered) return
        if (timedOut) return refuse('upstream_timeout')
        if (sent) upstream.suspect(instance)
        else upstream.drop(instance)
        attempt(tried.add(instance))
      })
      attempted.end()
    }

    function logEnd(status: number, instance?: Instance) {
      log.info({ reqId: requestId, url: request.url, status, to: instance?.origin }, 'upgrade')
    }

    function refuse(code: ProblemCode) {
      const problem = new Problem(code, { headers: { connection: 'close' } })
      logEnd(problem.status)
      answerProblem(answerLast(), problem, requestId)
    }
  }

  return {
    accept,
    close() {
      closed = true
      for (const socket of open) socket.destroy()
    },
  }
}

/** Two sockets as one: pipe() holds a side back while the other does not read, and either's end ends both. */
function join(
  client: Socket,
  clientHead: Buffer,
  service: Socket,
  serviceHead: Buffer,
  preamble: string,
  silenceMs: number,
) {
  for (const socket of [client, service]) {
    socket.setTimeout(silenceMs, () => socket.resetAndDestroy())
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
  }
  service.on('error', () => service.destroy())
  // 'close' without 'end' means that a side was cut off: pipe() would leave the other one open for ever.
  service.on('close', () => endSoon(client))
  client.on('close', () => service.destroy())
  client.write(preamble, 'latin1')
  if (serviceHead.length > 0) client.write(serviceHead)
  if (clientHead.length > 0) service.write(clientHead)
  service.pipe(client)
  client.pipe(service)
}

function endSoon(socket: Socket) {
  socket.setTimeout(LAST_BYTES_MS, () => socket.destroy())
  socket.destroySoon()
}

/** A Node response on a socket that its HTTP server has given away; the socket ends with it. */
function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.on('finish', () => endSoon(socket))
  return response
}

function statusLineAndHeaders(answer: IncomingMessage, requestId: string) {
  const headers = responseHeaders(answer.rawHeaders, requestId)
  headers.push('connection', 'Upgrade', 'upgrade', answer.headers.upgrade ?? 'websocket')
  let text = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${text}\r\n`
}
