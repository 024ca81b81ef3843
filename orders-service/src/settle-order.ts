/** Payments' outcome becomes the order's end, and the event that says so, in one transaction with the inbox claim. */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import { Contradiction } from '@checkout/messaging/decode.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import type { OrdersTx } from './store/port.ts'

type Outcome = CloudEvent<'payments.succeeded.v1'> | CloudEvent<'payments.failed.v1'>

/**
 * @throws Error when there is no such order; Contradiction when it is of another user or amount, or was settled otherwise.
 * The outcome then waits as a dead letter for a person, and nothing has changed.
 */
export async function settleOrder(tx: OrdersTx, event: Outcome, arrival: Arrival): Promise<void> {
  if (!(await tx.inbox.claim(event.id))) return
  const { orderId, userId, amount } = event.data
  const failureReason = event.type === 'payments.failed.v1' ? event.data.reason : null
  const order = await tx.orders.settle({
    id: orderId,
    status: failureReason === null ? 'paid' : 'failed',
    failureReason,
    updatedAt: arrival.receivedAt,
    outcomeEventId: event.id,
    outcomeSeq: arrival.streamSeq,
    outcomeDeliveries: arrival.deliveries,
    outcomeReceivedAt: arrival.receivedAt,
  })
  if (!order) {
    await requireSame(tx, event, failureReason)
    return // settled before: only a change emits
  }
  if (order.userId !== userId || order.amount !== amount) {
    throw new Contradiction(
      `order ${orderId} is of user ${order.userId}, amount ${order.amount}; ${event.type} ${event.id} says user ${userId}, amount ${amount}`,
    )
  }
  const context = { correlationId: orderId, causationId: event.id, traceparent: event.traceparent }
  if (failureReason === null) await tx.outbox.append('orders.paid.v1', { orderId, ...order }, context)
  else await tx.outbox.append('orders.failed.v1', { orderId, ...order, reason: failureReason }, context)
}

async function requireSame(tx: OrdersTx, event: Outcome, failureReason: FailureReason | null): Promise<void> {
  const { orderId, userId, amount } = event.data
  const order = await tx.orders.find(orderId)
  if (!order) throw new Error(`there is no order ${orderId}`)
  const status = failureReason === null ? 'paid' : 'failed'
  const same = order.status === status && order.failureReason === failureReason
  if (same && order.userId === userId && order.amount === amount) return
  const said = (state: string, reason: FailureReason | null, user: string, price: number) =>
    `${state}${reason ? ` (${reason})` : ''}, user ${user}, amount ${price}`
  throw new Contradiction(
    `order ${orderId} is ${said(order.status, order.failureReason, order.userId, order.amount)} by event ${order.outcomeEventId}; event ${event.id} says ${said(status, failureReason, userId, amount)}`,
  )
}
