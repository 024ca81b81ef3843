/**
 * What must hold for a user's orders, letters and money, as pure functions over what the API shows. Each returns the
 * sentences to print, none when all is right.
 */
import type { Account, LedgerEntry, Letter, Order } from '@checkout/contracts/http.ts'
import { isAffordable } from './users.ts'

/** Orders that are not at their end yet, or whose letter is not stored yet. */
export function unsettled(orders: readonly Order[], letters: readonly Letter[]): Order[] {
  const written = new Set(letters.map((letter) => letter.orderId))
  return orders.filter((order) => order.status === 'pending' || !written.has(order.id))
}

/** Every accepted order is there and settled as its amount says, with exactly one letter of the right kind. */
export function checkOrders(
  user: string,
  accepted: readonly string[],
  orders: readonly Order[],
  letters: readonly Letter[],
): string[] {
  const wrong: string[] = []
  const byId = new Map(orders.map((order) => [order.id, order]))
  const kinds = new Map<string, string[]>()
  for (const { orderId, kind } of letters) {
    if (orderId) kinds.set(orderId, [...(kinds.get(orderId) ?? []), kind])
  }
  if (byId.size !== orders.length) wrong.push(`${user}: ${orders.length - byId.size} orders are listed twice`)
  for (const id of accepted) {
    if (!byId.has(id)) wrong.push(`${user}: order ${id} was accepted and is not listed`)
  }
  for (const order of orders) {
    const expected = isAffordable(order.amount) ? 'paid' : 'failed'
    const found = kinds.get(order.id) ?? []
    if (order.status !== expected) wrong.push(`${user}: order ${order.id} is ${order.status}, not ${expected}`)
    if (found.length !== 1) wrong.push(`${user}: order ${order.id} has ${found.length} letters, not 1`)
    else if (found[0] !== `order_${expected}`) wrong.push(`${user}: order ${order.id} has a letter ${found[0]}`)
  }
  for (const id of kinds.keys()) {
    if (!byId.has(id)) wrong.push(`${user}: a letter is about order ${id}, which is not listed`)
  }
  return wrong
}

/** The account's balance is the sum of its entries and the balance after the last; each entry adds up. */
export function checkLedger(account: Account, newestFirst: readonly LedgerEntry[], deposited: number): string[] {
  const wrong: string[] = []
  const { userId: user } = account
  let sum = 0
  let deposits = 0
  for (const entry of newestFirst.toReversed()) {
    sum += entry.kind === 'deposit' ? entry.amount : -entry.amount
    if (entry.kind === 'deposit') deposits += entry.amount
    if (entry.balanceAfter !== sum) wrong.push(`${user}: entry ${entry.id} says ${entry.balanceAfter}, not ${sum}`)
    if (sum < 0) wrong.push(`${user}: entry ${entry.id} takes the balance below zero: ${sum}`)
  }
  if (account.balance !== sum) wrong.push(`${user}: the balance is ${account.balance}, the entries sum up to ${sum}`)
  if (deposits !== deposited) wrong.push(`${user}: ${deposited} was paid in, the entries say ${deposits}`)
  return wrong
}

/** A paid order has exactly one debit, of its amount; any other order has none; no debit is without its order. */
export function checkDebits(user: string, orders: readonly Order[], entries: readonly LedgerEntry[]): string[] {
  const wrong: string[] = []
  const debits = new Map<string, LedgerEntry[]>()
  for (const entry of entries) {
    if (entry.kind !== 'debit') continue
    const id = entry.orderId ?? 'null'
    debits.set(id, [...(debits.get(id) ?? []), entry])
  }
  for (const order of orders) {
    const found = debits.get(order.id) ?? []
    debits.delete(order.id)
    const expected = order.status === 'paid' ? 1 : 0
    if (found.length !== expected) {
      wrong.push(`${user}: order ${order.id} is ${order.status} and has ${found.length} debits, not ${expected}`)
    }
    for (const { amount } of found) {
      if (amount !== order.amount) wrong.push(`${user}: order ${order.id} over ${order.amount} was debited ${amount}`)
    }
  }
  for (const id of debits.keys()) wrong.push(`${user}: a debit is for order ${id}, which is not listed`)
  return wrong
}
