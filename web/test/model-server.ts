/** A tiny shop behind real HTTP and WebSocket: it does what the API says, and whatever a test tells it to do instead. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Account, LedgerEntry, Letter, Order, Page, User } from '@checkout/contracts/http.ts'
import type { Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Asked {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  userId: string | undefined
  body: unknown
}
/** `hang` never answers, `cut` ends the connection instead, `text` is sent as it is. */
export type Reply = { status: number; body: unknown } | { status: number; text: string } | 'hang' | 'cut'
export type Handler = (asked: Asked) => Reply | undefined | Promise<Reply | undefined>

/** Requests whose answers were made, but are kept back. */
export interface Held {
  /** How many there are. */
  waiting(): number
  release(): void
}

export interface Connection {
  userId: string
  since: string | null
  socket: WebSocket
}

export interface World {
  users: Map<string, User>
  accounts: Map<string, Account>
  entries: Map<string, LedgerEntry[]>
  orders: Map<string, Order[]>
  letters: Map<string, Letter[]>
}

export interface ShopServer {
  origin: string
  port: number
  world: World
  asked: Asked[]
  /** How often a method and path were asked for, such as 'POST /orders'. */
  count(route: string): number
  /** Asked before the shop's own answer, newest first; undefined passes the request on. */
  intercept(handler: Handler): () => void
  /** Keeps back the answers to a route, such as 'GET /orders': each is made when it is asked for. */
  hold(route: string, userId?: string): Held
  connections: Connection[]
  /** Sockets are refused while this is set. */
  refuseSockets: boolean
  /** Accepted sockets get no backlog and no `ready` while this is set. */
  mute: boolean
  /** Registers a user with an account. */
  addUser(id: string, balance?: number): void
  addOrder(userId: string, order?: Partial<Order>): Order
  /** Stores a letter and pushes it to the user's sockets. */
  write(userId: string, letter?: Partial<Letter>): Letter
  close(): Promise<void>
}

const CREATED = '2026-11-22T10:00:00.000Z'
let numbers = 0
const uuid = () => `01a202c0-0000-7000-8000-${String(++numbers).padStart(12, '0')}`

export const problem = (status: number, code: string, errors?: unknown): Reply => ({
  status,
  body: {
    type: 'about:blank',
    title: code,
    status,
    detail: `detail of ${code}`,
    code,
    requestId: 'r-1',
    ...(errors ? { errors } : {}),
  },
})

export async function createShopServer(t: Test, { port = 0 } = {}): Promise<ShopServer> {
  const world: World = {
    users: new Map(),
    accounts: new Map(),
    entries: new Map(),
    orders: new Map(),
    letters: new Map(),
  }
  const interceptors: Handler[] = []
  const answered = new Map<string, Reply>()

  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url ?? '/', 'http://shop')
    const text = Buffer.concat(chunks).toString()
    const asked: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      userId: request.headers['x-user-id'] as string | undefined,
      body: text === '' ? undefined : JSON.parse(text),
    }
    server.asked.push(asked)
    const reply = (await intercepted(asked)) ?? once(asked)
    if (reply === 'hang') return
    if (reply === 'cut') return void request.socket.destroy()
    const isText = 'text' in reply
    const type = isText ? 'text/html' : reply.status < 400 ? 'application/json' : 'application/problem+json'
    response.writeHead(reply.status, { 'content-type': type, 'x-request-id': 'r-1' })
    response.end(isText ? reply.text : JSON.stringify(reply.body))
  })

  async function intercepted(asked: Asked): Promise<Reply | undefined> {
    for (const handler of [...interceptors]) {
      const reply = await handler(asked)
      if (reply !== undefined) return reply
    }
    return undefined
  }

  /** The same Idempotency-Key gets the same answer. */
  function once(asked: Asked): Reply {
    const key = asked.headers['idempotency-key']
    if (typeof key !== 'string') return shopReply(world, asked)
    const scoped = `${asked.userId} ${asked.path} ${key}`
    const before = answered.get(scoped)
    const reply = before ?? shopReply(world, asked)
    if (typeof reply === 'object' && reply.status < 300) answered.set(scoped, reply)
    return reply
  }

  const sockets = new WebSocketServer({ noServer: true })
  http.on('upgrade', (request, socket, head) => {
    if (server.refuseSockets) return void socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n')
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const query = new URL(request.url ?? '/', 'http://shop').searchParams
      const connection = { userId: query.get('userId') ?? '', since: query.get('since'), socket: opened }
      server.connections.push(connection)
      opened.on('close', () => server.connections.splice(server.connections.indexOf(connection), 1))
      if (!server.mute) greet(connection)
    })
  })

  function greet({ userId, since, socket }: Connection) {
    const letters = world.letters.get(userId) ?? []
    const highest = letters.at(-1)?.seq ?? 0
    const from = since === null ? highest : Number(since) > highest ? 0 : Number(since)
    for (const letter of letters.filter(({ seq }) => seq > from)) socket.send(frame(letter))
    socket.send(JSON.stringify({ type: 'ready', seq: highest }))
  }
  const frame = (letter: Letter) => JSON.stringify({ type: 'notification', ...letter })

  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve))
  const bound = (http.address() as AddressInfo).port
  const server: ShopServer = {
    origin: `http://127.0.0.1:${bound}`,
    port: bound,
    world,
    asked: [],
    count: (route) => server.asked.filter(({ method, path }) => `${method} ${path}` === route).length,
    intercept(handler) {
      interceptors.unshift(handler)
      return () => void interceptors.splice(interceptors.indexOf(handler), 1)
    },
    hold(route, userId) {
      let waiting = 0
      let release = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const done = server.intercept(async (asked) => {
        if (`${asked.method} ${asked.path}` !== route || (userId !== undefined && asked.userId !== userId))
          return undefined
        const reply = once(asked)
        waiting++
        await released
        waiting--
        return reply
      })
      return {
        waiting: () => waiting,
        release() {
          done()
          release()
        },
      }
    },
    connections: [],
    refuseSockets: false,
    mute: false,
    addUser(id, balance = 0) {
      world.users.set(id, { id, name: `Name of ${id}`, email: `${id}@example.com`, createdAt: CREATED })
      world.accounts.set(id, { userId: id, balance, currency: 'RUB', createdAt: CREATED })
    },
    addOrder: (userId, order) => add(world.orders, userId, { ...newOrder(userId), ...order }),
    write(userId, letter) {
      const seq = (world.letters.get(userId)?.at(-1)?.seq ?? 0) + 1
      const written = { ...newLetter(userId, seq), ...letter }
      add(world.letters, userId, written)
      for (const connection of server.connections) {
        if (connection.userId === userId) connection.socket.send(frame(written))
      }
      return written
    },
    async close() {
      for (const { socket } of [...server.connections]) socket.terminate()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
  t.teardown(() => (http.listening ? server.close() : undefined))
  return server
}

function add<T>(lists: Map<string, T[]>, userId: string, item: T): T {
  lists.set(userId, [...(lists.get(userId) ?? []), item])
  return item
}

const newOrder = (userId: string): Order => ({
  id: uuid(),
  userId,
  amount: 149_900,
  currency: 'RUB',
  description: 'Sun hat',
  status: 'pending',
  failureReason: null,
  createdAt: CREATED,
  updatedAt: CREATED,
})

const newLetter = (userId: string, seq: number): Letter => ({
  seq,
  id: uuid(),
  userId,
  kind: 'message',
  orderId: null,
  to: `${userId}@example.com`,
  subject: `Letter ${seq}`,
  body: 'Hello',
  mail: 'none',
  createdAt: new Date(Date.parse(CREATED) + seq).toISOString(),
  sentAt: null,
})

/** What the services would answer. Orders stay pending until a test settles them. */
function shopReply(world: World, { method, path, query, userId = '', body }: Asked): Reply {
  const sent = body as {
    amount: number
    description: string
    name: string
    email: string
    subject: string
    body: string
  }
  const account = world.accounts.get(userId)
  switch (`${method} ${path}`) {
    case 'POST /users': {
      const id = userId || uuid()
      if (world.users.has(id)) return problem(409, 'user_exists')
      const user = { id, name: sent.name, email: sent.email, createdAt: CREATED }
      world.users.set(id, user)
      world.accounts.set(id, { userId: id, balance: 0, currency: 'RUB', createdAt: CREATED })
      return { status: 201, body: user }
    }
    case 'GET /users/me':
      return world.users.has(userId) ? { status: 200, body: world.users.get(userId) } : problem(404, 'user_not_found')
    case 'GET /accounts/me':
      return account ? { status: 200, body: account } : problem(404, 'account_not_found')
    case 'POST /accounts/me/deposits':
    case 'POST /accounts/me/withdrawals': {
      if (!account) return problem(404, 'account_not_found')
      const kind = path.endsWith('deposits') ? 'deposit' : 'withdrawal'
      const balance = account.balance + (kind === 'deposit' ? sent.amount : -sent.amount)
      if (balance < 0) return problem(409, 'insufficient_funds')
      world.accounts.set(userId, { ...account, balance })
      const entry = {
        id: uuid(),
        kind,
        amount: sent.amount,
        balanceAfter: balance,
        orderId: null,
        createdAt: CREATED,
      } as const
      return { status: 201, body: add<LedgerEntry>(world.entries, userId, entry) }
    }
    case 'GET /accounts/me/transactions':
      return account ? { status: 200, body: page(world.entries.get(userId), query) } : problem(404, 'account_not_found')
    case 'POST /orders': {
      const currency = account?.currency ?? 'RUB'
      const order = { ...newOrder(userId), currency, amount: sent.amount, description: sent.description }
      return { status: 201, body: add(world.orders, userId, order) }
    }
    case 'GET /orders': {
      const status = query.get('status')
      const orders = (world.orders.get(userId) ?? []).filter((order) => status === null || order.status === status)
      return { status: 200, body: page(orders, query) }
    }
    case 'GET /notifications':
      return { status: 200, body: page(world.letters.get(userId), query) }
    case 'POST /notifications': {
      const seq = (world.letters.get(userId)?.at(-1)?.seq ?? 0) + 1
      const letter = { ...newLetter(userId, seq), subject: sent.subject, body: sent.body }
      return { status: 201, body: add(world.letters, userId, letter) }
    }
  }
  const [, id] = /^\/orders\/(.+)$/.exec(path) ?? []
  const order = id && world.orders.get(userId)?.find((other) => other.id === id)
  if (order) return { status: 200, body: order }
  return id ? problem(404, 'order_not_found') : problem(404, 'route_not_found')
}

/** Newest first; the cursor says how many to skip from the oldest end, so that it holds while new ones come. */
function page<T>(items: readonly T[] = [], query: URLSearchParams): Page<T> {
  const limit = Number(query.get('limit') ?? 20)
  const end = query.has('cursor') ? Number(query.get('cursor')) : items.length
  const start = Math.max(0, end - limit)
  return { items: items.slice(start, end).reverse(), next: start > 0 ? String(start) : null }
}
