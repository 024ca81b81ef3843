/** What orders-service knows of an order's way, each step from a stored row. */
import type { Journey, JourneyStep } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { byTime, outboxSteps } from '@checkout/messaging/journey.ts'
import { toOrder } from './order.ts'
import type { OrderRow, OrdersReads } from './store/port.ts'

export async function journeyOf(order: OrderRow, read: OrdersReads): Promise<Journey> {
  const placed: JourneyStep = {
    step: 'placed',
    at: rfc3339(order.createdAt),
    eventId: order.createdEventId,
    payload: { amount: order.amount, currency: order.currency, description: order.description },
  }
  return {
    service: 'orders-service',
    steps: [placed, ...settled(order), ...(await outboxSteps(read.outbox, order.id))].sort(byTime),
  }
}

function settled(order: OrderRow): JourneyStep[] {
  if (order.outcomeEventId === null || order.outcomeReceivedAt === null) return []
  return [
    {
      step: 'inbox',
      at: rfc3339(order.outcomeReceivedAt),
      eventId: order.outcomeEventId,
      ...(order.outcomeSeq && { streamSeq: order.outcomeSeq }),
      ...(order.outcomeDeliveries !== null && { deliveries: order.outcomeDeliveries }),
    },
    { step: order.status, at: rfc3339(order.updatedAt), payload: toOrder(order) },
  ]
}
