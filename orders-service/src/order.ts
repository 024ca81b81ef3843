/** What an order is: pure rules. */
import type { Order } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { OrderRow } from './store/port.ts'

type Shown = Pick<
  OrderRow,
  'id' | 'userId' | 'amount' | 'currency' | 'description' | 'status' | 'failureReason' | 'createdAt' | 'updatedAt'
>

export function toOrder(row: Shown): Order {
  const { id, userId, amount, currency, description, status, failureReason } = row
  return {
    id,
    userId,
    amount,
    currency,
    description,
    status,
    failureReason,
    createdAt: rfc3339(row.createdAt),
    updatedAt: rfc3339(row.updatedAt),
  }
}

/** Changes whenever the order does: an order changes once, from pending to its end. */
export const etagOf = (row: Pick<OrderRow, 'status' | 'updatedAt'>): string => `"${row.status}-${row.updatedAt}"`

/** After this long an order that is still pending is looked after for the first time. */
const FIRST_SWEEP_MS = 30_000
const LONGEST_SWEEP_MS = 60 * 60_000

/** How long to wait before the next sweep of an order that was swept `sweeps` times: it doubles, up to an hour. */
export const sweepDelay = (sweeps: number): number => Math.min(FIRST_SWEEP_MS * 2 ** sweeps, LONGEST_SWEEP_MS)
