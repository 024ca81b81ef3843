/**
 * A small load with a memory: clients that post orders, deposits, withdrawals and registrations one after another, and
 * remember what they were told, so that the books can be audited against it.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { MAX_AMOUNT } from '@checkout/contracts/values.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { seededRandom } from '@checkout/testkit/random.ts'
import type { Test } from 'tap'
import type { Claims } from './audit.ts'
import { type Answer, client } from './system.ts'

/** Far more than all orders of a test together, and far less than one that must fail. */
const FUNDS = 1_000_000_000
const UNAFFORDABLE = MAX_AMOUNT
const RETRY_PAUSE_MS = 50
const RETRY_DEADLINE_MS = 120_000

export interface LoadOptions {
  /** The load ends with this test at the latest, whatever becomes of the test. */
  t: Test
  url: string
  seed: number
  claims: Claims
  /** Registered, with an account and money; see `fundedUsers`. */
  users: readonly string[]
  connections?: number
  /** Pause of a client between two requests. */
  paceMs?: number
}

export interface Load {
  /** Answers by status and code; `none` where no answer came. */
  readonly counts: Readonly<Record<string, number>>
  /** Answers that no trouble excuses: anything but 201, 502, 503 and 504. */
  readonly unexpected: readonly string[]
  /** Resolves when so many more requests have been answered 201. */
  accepted(count: number): Promise<void>
  /** Ends the load; then repeats the requests with an Idempotency-Key that were not answered 201 until they are. */
  stop(): Promise<void>
}

/** Registers users, waits for their accounts and puts money on them. */
export async function fundedUsers(url: string, count: number, claims: Claims): Promise<string[]> {
  const users = Array.from({ length: count }, () => `u-${randomUUID().slice(0, 13)}`)
  await Promise.all(
    users.map(async (userId) => {
      const api = client(url, userId)
      const email = `${userId}@example.com`
      const registered = await api('POST', '/users', { name: `User ${userId}`, email })
      if (registered.status !== 201) throw new Error(`POST /users: ${registered.status}`)
      claims.users.set(userId, email)
      await eventually(async () => (await api('GET', '/accounts/me')).status === 200, { what: `account of ${userId}` })
      const { status, body } = await api('POST', '/accounts/me/deposits', { amount: FUNDS })
      if (status !== 201) throw new Error(`POST /accounts/me/deposits: ${status} ${JSON.stringify(body)}`)
      claims.moves.set(body.id, { userId, kind: 'deposit', amount: FUNDS, balanceAfter: body.balanceAfter })
    }),
  )
  return users
}

interface Request {
  userId: string
  path: '/orders' | '/users' | '/accounts/me/deposits' | '/accounts/me/withdrawals'
  body: { amount: number; description?: string } | { name: string; email: string }
  key: string | undefined
  end?: 'paid' | 'failed'
}

export function startLoad({ t, url, seed, claims, users, connections = 4, paceMs = 50 }: LoadOptions): Load {
  const random = seededRandom(seed)
  const below = (n: number) => Math.floor(random() * n)
  const counts: Record<string, number> = {}
  const unexpected: string[] = []
  const unanswered: Request[] = []
  let running = true
  let made = 0

  function next(): Request[] {
    made += 1
    const userId = users[below(users.length)] as string
    const description = `order ${seed}-${made}-${randomUUID()}`
    const key = random() < 0.5 ? description : undefined
    const kind = random()
    if (kind < 0.08)
      return [{ userId, path: '/orders', body: { amount: UNAFFORDABLE, description }, key, end: 'failed' }]
    if (kind < 0.14) return [{ userId, path: '/accounts/me/deposits', body: { amount: 1 + below(500) }, key }]
    if (kind < 0.19) return [{ userId, path: '/accounts/me/withdrawals', body: { amount: 1 + below(500) }, key }]
    if (kind < 0.24) {
      const newcomer = `n-${randomUUID().slice(0, 13)}`
      return [
        {
          userId: newcomer,
          path: '/users',
          body: { name: newcomer, email: `${newcomer}@example.com` },
          key: undefined,
        },
        { userId: newcomer, path: '/orders', body: { amount: 1 + below(500), description }, key, end: 'failed' },
      ]
    }
    return [{ userId, path: '/orders', body: { amount: 1 + below(1_000), description }, key, end: 'paid' }]
  }

  async function send(request: Request): Promise<boolean> {
    const headers = request.key === undefined ? {} : { 'idempotency-key': request.key }
    const answer = await client(url, request.userId)('POST', request.path, request.body, headers).catch(() => undefined)
    const outcome = answer ? `${answer.status}${answer.status < 300 ? '' : ` ${answer.body?.code}`}` : 'none'
    counts[outcome] = (counts[outcome] ?? 0) + 1
    if (answer?.status === 201) remember(claims, request, answer)
    else if (answer && ![502, 503, 504].includes(answer.status)) unexpected.push(`${request.path}: ${outcome}`)
    // 503 store_unavailable promises that nothing was committed; every other failure leaves that open.
    else if (outcome !== '503 store_unavailable') doubt(claims, request)
    return answer?.status === 201
  }

  async function run() {
    while (running) {
      for (const request of next()) {
        if (await send(request)) continue
        if (request.key !== undefined) unanswered.push(request)
        await delay(RETRY_PAUSE_MS)
        break // an order of a newcomer whose registration failed would say nothing
      }
      if (paceMs > 0) await delay(paceMs)
    }
  }

  async function repeat(request: Request) {
    const deadline = performance.now() + RETRY_DEADLINE_MS
    while (!(await send(request))) {
      if (performance.now() > deadline) return void unexpected.push(`${request.path}: repeated in vain`)
      await delay(RETRY_PAUSE_MS)
    }
  }

  t.teardown(() => {
    running = false
  })
  const clients = Array.from({ length: connections }, run)
  return {
    counts,
    unexpected,
    async accepted(count) {
      const wanted = (counts['201'] ?? 0) + count
      await eventually(() => (counts['201'] ?? 0) >= wanted, { what: `${count} more requests are accepted` })
    },
    async stop() {
      running = false
      await Promise.all(clients)
      await Promise.all(unanswered.splice(0).map(repeat))
    },
  }
}

function remember(claims: Claims, { userId, path, body, end }: Request, answer: Answer) {
  if ('email' in body) claims.users.set(userId, body.email)
  else if (path === '/orders') {
    const claim = { userId, amount: body.amount, description: body.description ?? '' }
    claims.orders.set(answer.body.id, end ? { ...claim, end } : claim)
  } else {
    const { id, kind, amount, balanceAfter } = answer.body
    claims.moves.set(id, { userId, kind, amount, balanceAfter })
  }
}

function doubt(claims: Claims, { path, body }: Request) {
  if ('description' in body && body.description !== undefined) claims.unclearOrders.add(body.description)
  else if (path !== '/users') claims.unclearMoves += 1
}
