/**
 * The sweeper: asks again for the payment of an order that has been pending for too long. Everything before it should
 * have brought the order to its end; it is what makes "every order reaches its end" not depend on that.
 *
 * It must work while others order, and it must not ask what only waits: behind a backlog orders are late because it is
 * long, and asking again would make it longer. So it asks for an order only when payments has read the last question about
 * it, and what payments had answered by then is handled here.
 */

import type { Logger } from '@checkout/kernel/logging.ts'
import type { DutyOptions } from '@checkout/messaging/duty.ts'
import type { Messaging, Schedule } from '@checkout/messaging/messaging.ts'
import { sweepDelay } from './order.ts'
import type { OrdersStore, OrdersTx } from './store/port.ts'

/** Re-emissions per round; with a round per second at most 100/s, so that sweeping never becomes the load. */
export const SWEEP_LIMIT = 100
const SWEEP_EVERY_MS = 1_000
const QUESTION = 'orders.created.v1'
const ANSWERS = ['payments.succeeded.v1', 'payments.failed.v1'] as const

export interface SweeperDeps {
  store: OrdersStore
  messaging: Pick<Messaging, 'answers'>
  schedule: Schedule
  logger: Logger
}

/** The duty, for the instance that holds the lease. */
export function sweeper({
  store,
  messaging,
  schedule,
  logger,
}: SweeperDeps): Pick<DutyOptions, 'name' | 'everyMs' | 'round'> {
  const answers = messaging.answers(QUESTION, ANSWERS)
  return {
    name: 'sweeper',
    everyMs: SWEEP_EVERY_MS,
    async round() {
      const next = await store.read.orders.nextSweepAt()
      if (next === undefined || next > (await schedule.now())) return false
      const answered = await answers.upTo()
      if (answered === undefined) return false
      const now = await schedule.now()
      const swept = await store.write(async (tx) => {
        await tx.lease.assertHeld()
        return sweepPending(tx, now, answered)
      })
      if (swept > 0) logger.info({ orders: swept }, 'asked again for the payment of orders pending for too long')
      return false
    },
  }
}

/**
 * Re-emits `orders.created` of the orders that are due at the age `now`, under its first event id, if the last one is at
 * or before the position `answered` of the stream. Returns how many.
 */
export async function sweepPending(tx: OrdersTx, now: number, answered = Number.POSITIVE_INFINITY): Promise<number> {
  let swept = 0
  for (const order of await tx.orders.due(now, SWEEP_LIMIT)) {
    const { id, userId, userRegistered, amount, currency, description, createdEventId, sweeps } = order
    if ((await tx.outbox.position(QUESTION, id)) > answered) continue
    await tx.outbox.append(
      QUESTION,
      { orderId: id, userId, userRegistered, amount, currency, description },
      { correlationId: id, eventId: createdEventId },
    )
    await tx.orders.swept(id, now + sweepDelay(sweeps + 1))
    swept += 1
  }
  return swept
}
