/** What payments-service knows of an order's way, each step from a stored row. */
import type { Journey, JourneyStep } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { byTime, outboxSteps } from '@checkout/messaging/journey.ts'
import { toEntry } from './account.ts'
import type { DecisionRow, PaymentsReads } from './store/port.ts'

export async function journeyOf(decision: DecisionRow, read: PaymentsReads): Promise<Journey> {
  const { orderId, outcome, reason, amount, transactionId } = decision
  const steps: JourneyStep[] = [
    {
      step: 'inbox',
      at: rfc3339(decision.causeReceivedAt),
      eventId: decision.causeEventId,
      ...(decision.causeSeq > 0 && { streamSeq: decision.causeSeq }),
      deliveries: decision.causeDeliveries,
    },
    { step: 'decision', at: rfc3339(decision.decidedAt), payload: { outcome, reason, amount, transactionId } },
  ]
  const debit = await read.ledger.debitOf(orderId)
  if (debit) steps.push({ step: 'debit', at: rfc3339(debit.createdAt), payload: toEntry(debit) })
  return { service: 'payments-service', steps: [...steps, ...(await outboxSteps(read.outbox, orderId))].sort(byTime) }
}
