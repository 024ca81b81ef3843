/** Payments' outcome becomes the order's end, and the event that says so, in one transaction with the inbox claim. */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { Arrival } from '@checkout/messaging/consumer.ts'
import type { OrdersTx } from './store/index.ts'

type Outcome = CloudEvent<'payments.succeeded.v1'> | CloudEvent<'payments.failed.v1'>

/** @throws Error when there is no such order: the outcome waits as a dead letter for a person. */
export function settleOrder(tx: OrdersTx, event: Outcome, arrival: Arrival): void {
  if (!tx.inbox.claim(event.id)) return
  const { orderId } = event.data
  const failureReason = event.type === 'payments.failed.v1' ? event.data.reason : null
  const order = tx.orders.settle({
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
    if (!tx.orders.exists(orderId)) throw new Error(`there is no order ${orderId}`)
    return // settled before: only a change emits
  }
  const context = { correlationId: orderId, causationId: event.id, traceparent: event.traceparent }
  if (failureReason === null) tx.outbox.append('orders.paid.v1', { orderId, ...order }, context)
  else tx.outbox.append('orders.failed.v1', { orderId, ...order, reason: failureReason }, context)
}
