/**
 * The sweeper: asks again for the payment of an order that has been pending for too long. Everything before it should
 * have brought the order to its end; it is what makes "every order reaches its end" not depend on that.
 */
import type { Clock } from '@checkout/service/clock.ts'
import { sweepDelay } from './order.ts'
import type { OrdersTx } from './store/index.ts'

/** Re-emissions per round; with a round per second at most 100/s, so that sweeping never becomes the load. */
export const SWEEP_LIMIT = 100
export const SWEEP_EVERY_MS = 1_000

/** The events between an order and its end. */
export const PAYMENT_PATH = ['orders.created.v1', 'payments.succeeded.v1', 'payments.failed.v1'] as const

/** Re-emits `orders.created` of the due orders under its first event id. Returns how many. */
export function sweepPending(tx: OrdersTx, clock: Clock): number {
  const now = clock.now()
  const due = tx.orders.due(now, SWEEP_LIMIT)
  for (const { id, userId, userRegistered, amount, currency, description, createdEventId, sweeps } of due) {
    tx.outbox.append(
      'orders.created.v1',
      { orderId: id, userId, userRegistered, amount, currency, description },
      { correlationId: id, eventId: createdEventId },
    )
    tx.orders.swept(id, now + sweepDelay(sweeps + 1))
  }
  return due.length
}
