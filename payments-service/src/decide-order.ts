/**
 * How an order's money is debited exactly once.
 *
 * Inbox claim, decision, debit, ledger entry and the event that announces the outcome are one transaction. The
 * decision's primary key is the order, and it is never deleted: whatever is delivered again, under whichever event id
 * and however late, finds it and changes nothing. A decline sticks as well: a top-up does not turn it. Two instances
 * cannot both find no decision: a file has one writer at a time (BEGIN IMMEDIATE, see ADR 2).
 */
import { ok } from 'node:assert'
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Contradiction } from '@checkout/messaging/decode.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import type { DecisionRow, PaymentsTx } from './store/port.ts'

/** A repeated question is answered again, but not more often than this per order. */
export const REPEAT_MS = 10_000

export interface DecisionTerms {
  platform: Platform
  currency: string
}

export async function decideOrder(
  tx: PaymentsTx,
  event: CloudEvent<'orders.created.v1'>,
  arrival: Arrival,
  terms: DecisionTerms,
): Promise<void> {
  // Whether it is new does not matter here: a known order is answered again, see repeat().
  await tx.inbox.claim(event.id)
  const known = await tx.decisions.find(event.data.orderId)
  if (known) await repeat(tx, event, agreeing(known, event), terms.platform)
  else await decide(tx, event, arrival, terms)
}

async function decide(
  tx: PaymentsTx,
  event: CloudEvent<'orders.created.v1'>,
  arrival: Arrival,
  { platform, currency }: DecisionTerms,
): Promise<void> {
  const { orderId, userId, amount, userRegistered } = event.data
  const decidedAt = platform.now()
  // The order may overtake the registration: a registered user has an account, so the race must not decide the reason.
  if (userRegistered) await tx.accounts.open(userId, currency, decidedAt)

  const transactionId = await debit(tx, { orderId, userId, amount, id: platform.newId(), createdAt: decidedAt })
  const reason = transactionId === null ? await declineReason(tx, userId) : null
  const decision = { orderId, userId, amount, reason, transactionId, outcome: reason ? 'declined' : 'paid' } as const
  const eventId = await announce(tx, event, decision)
  await tx.decisions.add({
    ...decision,
    decidedAt,
    eventId,
    causeEventId: event.id,
    causeSeq: arrival.streamSeq,
    causeDeliveries: arrival.deliveries,
    causeReceivedAt: arrival.receivedAt,
  })
}

/** Takes the money and writes the ledger entry. Its id, or null when there is no account or too little on it. */
async function debit(
  tx: PaymentsTx,
  entry: { id: string; orderId: string; userId: string; amount: number; createdAt: number },
): Promise<string | null> {
  const moved = await tx.accounts.take(entry.userId, entry.amount)
  if (!moved) return null
  ok(moved.balance >= 0 && moved.number > 0, `a debit left the balance ${moved.balance} at entry ${moved.number}`)
  await tx.ledger.append({ ...entry, kind: 'debit', number: moved.number, balanceAfter: moved.balance })
  return entry.id
}

const declineReason = async (tx: PaymentsTx, userId: string): Promise<FailureReason> =>
  (await tx.accounts.exists(userId)) ? 'insufficient_funds' : 'account_not_found'

/** @throws Contradiction when the decision was about another user or amount */
function agreeing(known: DecisionRow, { id, data }: CloudEvent<'orders.created.v1'>): DecisionRow {
  if (known.userId === data.userId && known.amount === data.amount) return known
  throw new Contradiction(
    `order ${data.orderId} was decided (${known.outcome}) as user ${known.userId}, amount ${known.amount}, of event ${known.causeEventId}; event ${id} says user ${data.userId}, amount ${data.amount}`,
  )
}

/** The question came again: perhaps the answer was lost, so it is given again, under the same event id. */
async function repeat(
  tx: PaymentsTx,
  event: CloudEvent<'orders.created.v1'>,
  known: DecisionRow,
  platform: Platform,
): Promise<void> {
  const now = platform.now()
  const since = now - known.emittedAt
  // Negative when the wall clock was set back: then answering once too often is the smaller harm.
  if (since >= 0 && since < REPEAT_MS) return
  // Not while the last answer waits to be published: the question will find it.
  if ((await tx.outbox.position(answerOf(known), known.orderId)) === Number.POSITIVE_INFINITY) return
  await announce(tx, event, known, known.eventId)
  await tx.decisions.emitted(known.orderId, now)
}

const answerOf = ({ transactionId }: Pick<DecisionRow, 'transactionId'>) =>
  transactionId === null ? 'payments.failed.v1' : 'payments.succeeded.v1'

/** Appends the event that announces a decision; returns its id. */
async function announce(
  tx: PaymentsTx,
  cause: CloudEvent<'orders.created.v1'>,
  decision: Pick<DecisionRow, 'orderId' | 'userId' | 'amount' | 'reason' | 'transactionId'>,
  eventId?: string,
): Promise<string> {
  const { orderId, userId, amount, reason, transactionId } = decision
  const context = { correlationId: orderId, causationId: cause.id, traceparent: cause.traceparent, eventId }
  if (transactionId !== null) {
    return tx.outbox.append('payments.succeeded.v1', { orderId, userId, amount, transactionId }, context)
  }
  if (reason === null) throw new Error(`the decision on ${orderId} has neither a debit nor a reason`)
  return tx.outbox.append('payments.failed.v1', { orderId, userId, amount, reason }, context)
}
