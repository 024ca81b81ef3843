/** What a bench user was told, compared with what the API shows of it; the laws that hold anyway are packages/audit. */
import type { LedgerEntry, Order } from '@checkout/contracts/http.ts'
import { type BenchUser, isAffordable } from './users.ts'

/** Every accepted order is there, and each has ended as its amount says. */
export function compareOrders({ id: user, accepted }: BenchUser, orders: readonly Order[]): string[] {
  const wrong: string[] = []
  const shown = new Set(orders.map((order) => order.id))
  for (const id of accepted) {
    if (!shown.has(id)) wrong.push(`${user}: order ${id} was accepted and is not listed`)
  }
  for (const { id, amount, status } of orders) {
    const expected = isAffordable(amount) ? 'paid' : 'failed'
    if (status !== expected) wrong.push(`${user}: order ${id} is ${status}, not ${expected}`)
  }
  return wrong
}

/** All that was paid in is there. */
export function compareDeposits({ id: user, deposited }: BenchUser, entries: readonly LedgerEntry[]): string[] {
  const deposits = entries.filter((entry) => entry.kind === 'deposit').reduce((sum, entry) => sum + entry.amount, 0)
  return deposits === deposited ? [] : [`${user}: ${deposited} was paid in, the entries say ${deposits}`]
}
