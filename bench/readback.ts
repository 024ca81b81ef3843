/** Reading back what the load did, through the API, in pages of 100: first until it is settled, at the end all of it. */
import { auditLedger, auditLetters, auditOrders, readBooks, readNewer } from '@checkout/audit/api.ts'
import { sentence } from '@checkout/audit/laws.ts'
import type { Letter, Order, Page, ServiceStatus } from '@checkout/contracts/http.ts'
import { parts } from '@checkout/contracts/services.ts'
import { compareDeposits, compareOrders } from './claims.ts'
import { type Api, eachOf, pause } from './http.ts'
import type { Load } from './load.ts'
import type { BenchUser } from './users.ts'

const PAGE = 100
const POLL_MS = 100
/** A healthy system settles within milliseconds; a drowning one is given this long after the last answer. */
const SETTLE_DEADLINE_MS = 180_000

export interface SettledOrder {
  createdAt: number
  /** `updatedAt − createdAt`, ms. */
  latencyMs: number
  /** When its letter was stored. */
  letterAt: number
}

/** Outbox rows that wait for the broker, over all services; null when a service does not answer. */
export async function backlog(api: Api): Promise<number | null> {
  const all = await Promise.all(parts.map((part) => api.get<ServiceStatus>(`/status/${part}`).catch(() => null)))
  return all.reduce<number | null>((sum, one) => (one && sum !== null ? sum + one.outboxBacklog : null), 0)
}

/**
 * Waits until the last accepted order is settled, with two small requests per poll, so as not to compete with the
 * services. The others may still be a few behind: `readSettled` waits for each.
 */
export async function waitForLast(api: Api, load: Load, progress: (text: string) => void): Promise<void> {
  const started = performance.now()
  const { last } = load
  for (let polls = 1; last; polls += 1) {
    const order = await api.get<Order>(`/orders/${last.id}`, last.user.id)
    if (order.status !== 'pending') {
      const { items } = await api.get<Page<Letter>>(`/notifications?limit=${PAGE}`, last.user.id)
      if (items.some((letter) => letter.orderId === last.id)) return
    }
    const waited = performance.now() - started
    if (waited > SETTLE_DEADLINE_MS)
      throw new Error(`order ${last.id} is not settled ${SETTLE_DEADLINE_MS / 1000} s later`)
    if (polls % 10 === 0) progress(`settling: ${Math.round(waited / 1000)} s, outbox backlog ${await backlog(api)}`)
    await pause(POLL_MS)
  }
}

/**
 * Reads the orders and letters that are newer than the last time, waiting until every order is settled. Returns the
 * settled ones and marks all as read back; whether they are right is for `auditAll` to say.
 */
export async function readSettled(api: Api, users: readonly BenchUser[], progress: (text: string) => void) {
  const settled: SettledOrder[] = []
  const deadline = performance.now() + SETTLE_DEADLINE_MS
  await eachOf(users, api.connections, async (user) => {
    if (user.accepted.length === user.readBack) return
    const { orders, letters } = await readUntilSettled(api, user.id, user.newestOrder, user.newestLetter, deadline)
    for (const order of withLetters(orders, letters)) settled.push(order)
    user.readBack = user.accepted.length
    user.newestOrder = orders[0]?.id ?? user.newestOrder
    user.newestLetter = letters[0]?.id ?? user.newestLetter
    progress(`reading back: ${settled.length} orders`)
  })
  return settled
}

/** Orders that are not at their end yet, or whose letter is not stored yet. */
export function unsettled(orders: readonly Order[], letters: readonly Letter[]): Order[] {
  const written = new Set(letters.map((letter) => letter.orderId))
  return orders.filter((order) => order.status === 'pending' || !written.has(order.id))
}

/** Orders and letters newer than the given ones, read again until each order is settled or the deadline has passed. */
async function readUntilSettled(api: Api, user: string, order: string | null, letter: string | null, deadline: number) {
  for (;;) {
    const orders = await readNewer<Order>(api.get, '/orders', user, order)
    const letters = await readNewer<Letter>(api.get, '/notifications', user, letter)
    if (unsettled(orders, letters).length === 0 || performance.now() > deadline) return { orders, letters }
    await pause(POLL_MS)
  }
}

function withLetters(orders: readonly Order[], letters: readonly Letter[]): SettledOrder[] {
  const letterAt = new Map(letters.map((letter) => [letter.orderId, Date.parse(letter.createdAt)]))
  return orders
    .filter((order) => order.status !== 'pending' && letterAt.has(order.id))
    .map((order) => {
      const createdAt = Date.parse(order.createdAt)
      const latencyMs = Date.parse(order.updatedAt) - createdAt
      return { createdAt, latencyMs, letterAt: letterAt.get(order.id) ?? Number.NaN }
    })
}

export interface Audit {
  users: number
  orders: number
  letters: number
  entries: number
  wrongOrders: string[]
  wrongLedgers: string[]
}

/** Reads everything of all users once more, from the beginning: whether it keeps the laws and is as it was told. */
export async function auditAll(
  api: Api,
  users: readonly BenchUser[],
  progress: (text: string) => void,
): Promise<Audit> {
  const counts = { users: 0, orders: 0, letters: 0, entries: 0 }
  const wrong = { wrongOrders: [] as string[], wrongLedgers: [] as string[] }
  await eachOf(users, api.connections, async (user) => {
    const books = await readBooks(api.get, user.id)
    const { orders, letters, entries } = books
    wrong.wrongOrders.push(
      ...[...auditOrders(books), ...auditLetters(books)].map(sentence),
      ...compareOrders(user, orders),
    )
    wrong.wrongLedgers.push(...auditLedger(books).map(sentence), ...compareDeposits(user, entries))
    counts.users += 1
    counts.orders += orders.length
    counts.letters += letters.length
    counts.entries += entries.length
    progress(`checking the money: ${counts.users} of ${users.length} users, ${counts.entries} ledger entries`)
  })
  return { ...counts, ...wrong }
}
