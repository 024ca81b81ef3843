/** The order and the event that asks for its payment, in one transaction (the transactional outbox). */
import type { Order } from '@checkout/contracts/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Answer } from '@checkout/store/port.ts'
import { sweepDelay, toOrder } from './order.ts'
import type { OrdersTx } from './store/port.ts'

export interface Placement {
  userId: string
  amount: number
  description: string
  idempotencyKey: string | undefined
  traceparent: string | undefined
}

export interface PlacementContext {
  platform: Platform
  currency: string
}

/** @throws Problem idempotency_key_reused */
export function placeOrder(tx: OrdersTx, placement: Placement, context: PlacementContext): Promise<Answer<Order>> {
  const { userId, amount, description, idempotencyKey: key } = placement
  return tx.idempotency.once({ userId, route: 'POST /orders', key, body: { amount, description } }, () =>
    place(tx, placement, context),
  )
}

async function place(
  tx: OrdersTx,
  placement: Placement,
  { platform, currency }: PlacementContext,
): Promise<Answer<Order>> {
  const { userId, amount, description, traceparent } = placement
  const id = platform.newId()
  const createdAt = platform.now()
  const userRegistered = await tx.users.exists(userId)
  const createdEventId = await tx.outbox.append(
    'orders.created.v1',
    { orderId: id, userId, userRegistered, amount, currency, description },
    { correlationId: id, traceparent },
  )
  const order = { id, userId, amount, currency, description, createdAt, userRegistered, createdEventId }
  await tx.orders.add({ ...order, sweepAfter: sweepDelay(0) })
  return {
    status: 201,
    location: `/orders/${id}`,
    body: toOrder({ ...order, status: 'pending', failureReason: null, updatedAt: createdAt }),
  }
}
