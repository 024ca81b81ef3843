import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { and, eq, sql } from 'drizzle-orm'
import { type DecisionRow, decisions } from './tables.ts'

const p = sql.placeholder

export function decisionWrites(writer: Connection) {
  const db = queries(writer)
  const find = db
    .select()
    .from(decisions)
    .where(eq(decisions.orderId, p('orderId')))
    .prepare()
  const insert = db
    .insert(decisions)
    .values({
      orderId: p('orderId'),
      userId: p('userId'),
      amount: p('amount'),
      outcome: p('outcome'),
      reason: p('reason'),
      transactionId: p('transactionId'),
      decidedAt: p('decidedAt'),
      eventId: p('eventId'),
      emittedAt: p('decidedAt'),
      causeEventId: p('causeEventId'),
      causeSeq: p('causeSeq'),
      causeDeliveries: p('causeDeliveries'),
      causeReceivedAt: p('causeReceivedAt'),
    })
    .prepare()
  const emitted = db
    .update(decisions)
    .set({ emittedAt: sql`${p('now')}` })
    .where(eq(decisions.orderId, p('orderId')))
    .prepare()
  return {
    find: (orderId: string): DecisionRow | undefined => find.get({ orderId }),
    /** @throws when the order was decided before: the primary key is what makes a debit happen once. */
    add: (decision: Omit<DecisionRow, 'emittedAt'>): void => void insert.run({ ...decision }),
    emitted: (orderId: string, now: number): void => void emitted.run({ orderId, now }),
  }
}

export function decisionReads(reader: Connection) {
  const find = queries(reader)
    .select()
    .from(decisions)
    .where(and(eq(decisions.orderId, p('orderId')), eq(decisions.userId, p('userId'))))
    .prepare()
  return {
    /** The decision on an order if it is this user's. */
    find: (orderId: string, userId: string): DecisionRow | undefined => find.get({ orderId, userId }),
  }
}
