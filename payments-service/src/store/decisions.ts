import type { Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { and, eq, sql } from 'drizzle-orm'
import type { DecisionReads, DecisionWrites } from './port.ts'
import { decisions } from './tables.ts'

const p = sql.placeholder

export function decisionWrites(writer: Session): DecisionWrites {
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
    find: async (orderId) => find.get({ orderId }),
    add: async (decision) => void (await insert.run({ ...decision })),
    emitted: async (orderId, now) => void (await emitted.run({ orderId, now })),
  }
}

export function decisionReads(reader: Session): DecisionReads {
  const find = queries(reader)
    .select()
    .from(decisions)
    .where(and(eq(decisions.orderId, p('orderId')), eq(decisions.userId, p('userId'))))
    .prepare()
  return { find: async (orderId, userId) => find.get({ orderId, userId }) }
}
