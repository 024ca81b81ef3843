/** The books of one user as the API shows them. It shows neither decisions nor events. */
import type { Account, LedgerEntry, Letter, Order, Page } from '@checkout/contracts/http.ts'
import type { Entry } from './books.ts'
import { checkAccount, checkMailbox, checkOrder, type Mistake } from './laws.ts'

const PAGE = 100

/** GETs a path as this user; throws on any status but 200. */
export type Get = <T>(path: string, user: string) => Promise<T>

/** Newest first, as the API lists them. */
export interface ShownBooks {
  account: Account
  orders: readonly Order[]
  entries: readonly LedgerEntry[]
  letters: readonly Letter[]
}

/** Items of a list that are newer than the one with the id `until` (all of them if null), newest first. */
export async function readNewer<T extends { id: string }>(get: Get, path: string, user: string, until: string | null) {
  const found: T[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const query: string = `${path}?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`
    const page: Page<T> = await get<Page<T>>(query, user)
    const known = page.items.findIndex((item) => item.id === until)
    found.push(...(known < 0 ? page.items : page.items.slice(0, known)))
    cursor = known < 0 ? page.next : null
  }
  return found
}

/** Everything of a user; four reads without a common moment, so of one for whom nothing is under way. */
export async function readBooks(get: Get, user: string): Promise<ShownBooks> {
  return {
    orders: await readNewer<Order>(get, '/orders', user, null),
    letters: await readNewer<Letter>(get, '/notifications', user, null),
    entries: await readNewer<LedgerEntry>(get, '/accounts/me/transactions', user, null),
    account: await get<Account>('/accounts/me', user),
  }
}

/** What is wrong with the user's orders, with their debits and letters. */
export function auditOrders({ account: { userId }, orders, entries, letters }: ShownBooks): Mistake[] {
  const byOrder = {
    orders: Map.groupBy(orders, (order) => order.id),
    debits: Map.groupBy(entries.map(ofUser(userId)).filter(hasOrder), (entry) => entry.orderId),
    letters: Map.groupBy(letters.filter(hasOrder), (letter) => letter.orderId),
  }
  const ids = new Set([...byOrder.orders.keys(), ...byOrder.debits.keys(), ...byOrder.letters.keys()])
  return [...ids].flatMap((id) =>
    checkOrder({
      id,
      orders: byOrder.orders.get(id) ?? [],
      debits: byOrder.debits.get(id) ?? [],
      letters: byOrder.letters.get(id) ?? [],
    }),
  )
}

/** What is wrong with the user's ledger and balance. */
export const auditLedger = ({ account, entries }: ShownBooks): Mistake[] =>
  checkAccount({ userId: account.userId, account, entries: entries.map(ofUser(account.userId)).reverse() })

/** What is wrong with the numbers of the user's letters. */
export const auditLetters = ({ account: { userId }, letters }: ShownBooks): Mistake[] =>
  checkMailbox({ userId, letters: letters.toReversed() })

const hasOrder = <T extends { orderId: string | null }>(row: T): row is T & { orderId: string } => row.orderId !== null

const ofUser =
  (userId: string) =>
  (entry: LedgerEntry): Entry => ({ ...entry, userId })
