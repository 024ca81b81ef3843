/** The WebSocket: who may connect, and how a connection ends. What is sent over it is push.ts's. */
import { PushedLetter, ref } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import { identityErrors, responses, success } from '@checkout/http/docs.ts'
import { type OwnHosts, ownHosts } from '@checkout/http/hosts.ts'
import { parseUserId, varyByUser } from '@checkout/http/identity.ts'
import { upgradeOnly } from '@checkout/http/upgrade.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import { Type } from 'typebox'
import type { WebSocket } from 'ws'
import type { Push } from './push.ts'
import type { NotificationsStore } from './store/port.ts'

export const STREAM_PATH = '/notifications/stream'
/** Clients have nothing to say: what they send is ignored, and too much of it ends the connection. */
const MAX_PAYLOAD_BYTES = 4 * 1024
const PING_EVERY_MS = 20_000
const SLOW_MS = 10_000
/** How long a client that is no longer wanted may take to answer the close frame. */
const CLOSE_MS = 1_000

/** More of one user are a client's mistake, and would cost all others: each one is a socket, a subscription, reads. */
export const SOCKETS_PER_USER_MAX = 20

/** RFC 6455, 7.4.1, and the registry that it opens. */
export const closeCodes = { tooMany: 1008, restart: 1012, tooSlow: 1013 } as const
const RESTARTS = 'the service restarts'
const TOO_MANY = `over ${SOCKETS_PER_USER_MAX} connections of this user; this was the oldest`

export interface StreamDeps {
  push: Push
  store: NotificationsStore
  readonly platform: Platform
  readonly metrics: Registry
  /** Origins whose pages may connect, beside the gateway's own; such as https://shop.example. */
  allowedOrigins: readonly string[]
  /** Names under which the gateway's own pages come, beside local ones and those of allowedOrigins; see hosts.ts. */
  readonly allowedHosts?: readonly string[]
  /** Whether `?userId=` says who connects; if not, X-User-Id alone does. True unless said otherwise. */
  userFromQuery?: boolean
  /** A connection that has not answered the ping before is dead, and ended at the next one; 20 s unless a test says so. */
  pingEveryMs?: number
  /** What is sent at once has to leave within this; 10 s unless a test says otherwise. */
  slowMs?: number
}

const description = `A WebSocket. The server sends JSON texts: the letters after \`since\`, oldest first, then
\`{"type":"ready","seq":N}\` with the user's highest number, then every new letter as it is written, each one with
\`"type":"notification"\`. A connection gets each letter once and in the order of \`seq\`; a client that
connects again with the last \`seq\` it has seen misses nothing. Without \`since\` there is no backlog; a \`since\` that is
higher than the user's highest number counts as 0. Clients tell letters apart by \`id\`, and have nothing to send.

The server closes with 1008 the oldest of more than ${SOCKETS_PER_USER_MAX} connections of one user to one instance (do not connect again
at once: that closes the next one), with 1009 when a client sends more than 4 KiB at once, with 1012 when it stops (connect
again at once: another instance takes over), and with 1013 when the client reads too slowly (connect again with \`since\`).`

export async function streamRoute(app: App, deps: StreamDeps): Promise<void> {
  const { push, store, platform, allowedOrigins, slowMs = SLOW_MS, userFromQuery = true } = deps
  const open: Open = new Map()
  const crowd = createCrowd()
  let closing = false
  await app.register(websocket, {
    options: { maxPayload: MAX_PAYLOAD_BYTES, perMessageDeflate: false },
    // A frame that is too large or broken: ws has sent the close code that says so, and reads no more.
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, 'a WebSocket client broke the protocol')
      cut(socket, CLOSE_MS, platform)
    },
    preClose: (done) => {
      closing = true
      void closeAll([...open.keys()], platform).then(() => done())
    },
  })
  upgradeOnly(app.server, STREAM_PATH)
  const onSlow = registerMetrics(deps.metrics, open)
  const heartbeat = platform.setInterval(() => ping(open), deps.pingEveryMs ?? PING_EVERY_MS)
  app.addHook('onClose', async () => platform.clearTimeout(heartbeat))
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))
  const hosts = ownHosts([...(deps.allowedHosts ?? []), ...allowedOrigins.map((origin) => new URL(origin).hostname)])

  app.route({
    method: 'GET',
    url: STREAM_PATH,
    onRequest: (request, reply, done) => {
      // The plugin destroys the connection behind every answer that is not an upgrade; clients must not reuse it.
      if (request.ws) reply.header('connection', 'close')
      varyByUser(reply)
      refuseForeignPage(request, origins, hosts)
      request.userId = userOf(request, userFromQuery)
      done()
    },
    schema: {
      tags: ['notifications'],
      operationId: 'streamNotifications',
      summary: 'Get letters as they are written (WebSocket)',
      description,
      querystring: Type.Object(
        {
          userId: Type.Optional(
            Type.String({
              description:
                'The user, where X-User-Id cannot be sent, as in browsers. With STREAM_USER_FROM_QUERY=false only X-User-Id counts, and this may only agree with it.',
              examples: ['ada'],
            }),
          ),
          since: Type.Optional(
            Type.Integer({ minimum: 0, description: 'The last seq that the client has seen; 0 = from the beginning.' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: responses(
        { 101: success(ref(PushedLetter), { description: 'The WebSocket is open; each text is one of these.' }) },
        [
          ...identityErrors,
          'validation_failed',
          'origin_forbidden',
          'host_forbidden',
          'upgrade_required',
          'store_unavailable',
        ],
        { path: '/query/since', message: 'must be at least 0' },
      ),
    },
    preHandler: async () => {
      if (!(await store.usable())) throw new Problem('store_unavailable')
    },
    handler: () => {
      throw new Problem('upgrade_required', { headers: { upgrade: 'websocket', connection: 'upgrade' } })
    },
    wsHandler: (socket, { userId, query, log }) => {
      // The others have been told to go already: this one would hold the shutdown.
      if (closing) return close(socket, closeCodes.restart, RESTARTS, CLOSE_MS, platform)
      open.set(socket, 'heard')
      const surplus = crowd.join(userId, socket)
      if (surplus) close(surplus, closeCodes.tooMany, TOO_MANY, CLOSE_MS, platform)
      const disconnect = push.connect(
        { send: sender(socket, slowMs, onSlow, platform) },
        userId,
        (query as { since?: number }).since,
      )
      log.info({ userId }, 'WebSocket open')
      socket.on('pong', () => open.set(socket, 'heard'))
      socket.on('close', (code) => {
        open.delete(socket)
        crowd.leave(userId, socket)
        disconnect()
        log.info({ userId, code }, 'WebSocket closed')
      })
    },
  })
}

/** The connections of each user, oldest first. */
function createCrowd() {
  const users = new Map<string, Set<WebSocket>>()
  return {
    /** Returns the one that is too many: the oldest, because a tab that was just opened is the one that is looked at. */
    join(userId: string, socket: WebSocket): WebSocket | undefined {
      const sockets = users.get(userId) ?? new Set()
      users.set(userId, sockets.add(socket))
      if (sockets.size <= SOCKETS_PER_USER_MAX) return undefined
      const [oldest] = sockets
      if (oldest) sockets.delete(oldest)
      return oldest
    },
    leave(userId: string, socket: WebSocket): void {
      const sockets = users.get(userId)
      if (sockets?.delete(socket) && sockets.size === 0) users.delete(userId)
    },
  }
}

/**
 * Browsers name the page's origin and the host that they call, and cannot be made to lie; other clients name no origin.
 * That both are the same is not enough: the page may be of a foreign name that was made to lead here (see hosts.ts).
 */
function refuseForeignPage({ headers, host }: FastifyRequest, allowed: ReadonlySet<string>, hosts: OwnHosts): void {
  const { origin } = headers
  if (origin === undefined || allowed.has(origin.toLowerCase())) return
  const [forwarded = ''] = String(headers['x-forwarded-host'] ?? host).split(',')
  const scheme = origin.slice(0, origin.indexOf(':'))
  const page = URL.parse(origin)
  // Both parsed, so that a port that is the scheme's default makes no difference.
  const own = URL.parse(`${scheme}://${forwarded.trim()}`)
  if (page === null || own === null || hostOf(page) !== hostOf(own)) throw new Problem('origin_forbidden')
  if (!hosts.has(forwarded.trim())) throw new Problem('host_forbidden')
}

/** This machine's names for itself are one: the gateway is http://localhost:8080 and http://127.0.0.1:8080. */
const hostOf = ({ hostname, port }: URL) =>
  `${/^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname) ? 'localhost' : hostname}:${port}`

/** @throws Problem user_id_required, user_id_invalid */
function userOf({ headers, query }: FastifyRequest, userFromQuery: boolean): string {
  const asked = (query as { userId?: string | string[] }).userId || undefined
  const header = headers['x-user-id'] || undefined
  const given = userFromQuery ? (header ?? asked) : header
  if (given === undefined) {
    // Browsers cannot set a header here.
    const detail = userFromQuery
      ? 'Send the parameter userId, or the header X-User-Id, with the id of the user.'
      : 'Send the header X-User-Id with the id of the user. The parameter userId does not count here (STREAM_USER_FROM_QUERY).'
    throw new Problem('user_id_required', { detail })
  }
  const userId = parseUserId(given)
  if (asked !== undefined && asked !== userId) {
    throw new Problem('user_id_invalid', {
      detail: 'The header X-User-Id and the parameter userId name different users.',
    })
  }
  return userId
}

const sender =
  (socket: WebSocket, slowMs: number, onSlow: () => void, platform: Platform) => (texts: readonly string[]) =>
    new Promise<boolean>((resolve) => {
      if (socket.readyState !== socket.OPEN) return resolve(false)
      const slow = platform.setTimeout(() => {
        onSlow()
        // Behind everything that it has not read yet, so it gets the same time again.
        close(socket, closeCodes.tooSlow, 'reads too slowly', slowMs, platform)
        resolve(false)
      }, slowMs)
      let left = texts.length
      const sent = (error?: Error | null) => {
        left -= 1
        if (left > 0 && !error) return
        platform.clearTimeout(slow)
        resolve(!error)
      }
      for (const text of texts) socket.send(text, sent)
    })

/** The sockets that are not closed, and whether each was heard of since it was pinged last, or since it is there. */
type Open = Map<WebSocket, 'heard' | 'pinged'>

function ping(open: Open): void {
  for (const [socket, state] of open) {
    if (state === 'pinged') socket.terminate()
    else {
      open.set(socket, 'pinged')
      socket.ping()
    }
  }
}

function close(socket: WebSocket, code: number, reason: string, withinMs: number, platform: Platform): void {
  socket.close(code, reason)
  cut(socket, withinMs, platform)
}

/** A client that does not answer the close frame must not hold the connection. */
function cut(socket: WebSocket, withinMs: number, { setTimeout, clearTimeout }: Platform): void {
  const timer = setTimeout(() => socket.terminate(), withinMs)
  socket.once('close', () => clearTimeout(timer))
}

/** Tells all clients to go to another instance, and is done when they have gone. */
async function closeAll(sockets: readonly WebSocket[], platform: Platform): Promise<void> {
  const gone = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  for (const socket of sockets) close(socket, closeCodes.restart, RESTARTS, CLOSE_MS, platform)
  await Promise.all(gone)
}

/** Returns what to call for each connection that is closed because it reads too slowly. */
function registerMetrics(metrics: Registry, open: Open): () => void {
  const registers = [metrics]
  new Gauge({
    name: 'websocket_connections',
    help: 'Open WebSockets.',
    registers,
    collect() {
      this.set(open.size)
    },
  })
  const slow = new Counter({
    name: 'websocket_slow_total',
    help: 'WebSockets that were closed because the client read too slowly.',
    registers,
  })
  return () => slow.inc()
}
