import { AGE_STEP_MS, ageLag, ageNow } from '@checkout/store/age.ts'
import type { Session } from '@checkout/store/engine.ts'
import { nextId, queries } from '@checkout/store/queries.ts'
import { and, asc, desc, eq, lt, lte, sql } from 'drizzle-orm'
import type { OrderReads, OrderWrites } from './port.ts'
import { orders } from './tables.ts'

const p = sql.placeholder

export function orderWrites(writer: Session): OrderWrites {
  const db = queries(writer)
  const insert = db
    .insert(orders)
    .values({
      seq: nextId('orders'),
      id: p('id'),
      userId: p('userId'),
      amount: p('amount'),
      currency: p('currency'),
      description: p('description'),
      createdAt: p('createdAt'),
      updatedAt: p('createdAt'),
      userRegistered: p('userRegistered'),
      createdEventId: p('createdEventId'),
      // By the age in the file, which may be behind: so not too early.
      sweepAt: sql`${ageNow('schedule')} + ${sql.raw(String(ageLag(AGE_STEP_MS.schedule)))} + ${p('sweepAfter')}`,
    })
    .prepare()
  // Only a pending order changes, and only a change emits: whatever is redelivered, the status is decided once.
  const settle = db
    .update(orders)
    .set({
      status: sql`${p('status')}`,
      failureReason: sql`${p('failureReason')}`,
      updatedAt: sql`${p('updatedAt')}`,
      outcomeEventId: sql`${p('outcomeEventId')}`,
      outcomeSeq: sql`${p('outcomeSeq')}`,
      outcomeDeliveries: sql`${p('outcomeDeliveries')}`,
      outcomeReceivedAt: sql`${p('outcomeReceivedAt')}`,
    })
    .where(and(eq(orders.id, p('id')), eq(orders.status, 'pending')))
    .returning({
      userId: orders.userId,
      amount: orders.amount,
      currency: orders.currency,
      description: orders.description,
    })
    .prepare()
  const find = db
    .select()
    .from(orders)
    .where(eq(orders.id, p('id')))
    .prepare()
  const due = db
    .select()
    .from(orders)
    .where(and(sql`${orders.status} = 'pending'`, lte(orders.sweepAt, p('now'))))
    .orderBy(asc(orders.sweepAt))
    .limit(p('limit'))
    .prepare()
  const swept = db
    .update(orders)
    .set({ sweeps: sql`${orders.sweeps} + 1`, sweepAt: sql`${p('sweepAt')}` })
    .where(eq(orders.id, p('id')))
    .prepare()
  return {
    add: async (order) => void (await insert.run({ ...order, userRegistered: Number(order.userRegistered) })),
    settle: async (settlement) => settle.get({ ...settlement }),
    find: async (id) => find.get({ id }),
    due: async (now, limit) => due.all({ now, limit }),
    swept: async (id, sweepAt) => void (await swept.run({ id, sweepAt })),
  }
}

export function orderReads(reader: Session): OrderReads {
  const db = queries(reader)
  const find = db
    .select()
    .from(orders)
    .where(and(eq(orders.id, p('id')), eq(orders.userId, p('userId'))))
    .prepare()
  const page = (filter?: ReturnType<typeof eq>) =>
    db
      .select()
      .from(orders)
      .where(and(eq(orders.userId, p('userId')), filter, lt(orders.seq, p('before'))))
      .orderBy(desc(orders.seq))
      .limit(p('limit'))
      .prepare()
  const all = page()
  const withStatus = page(eq(orders.status, p('status')))
  const oldestDue = db
    .select({ sweepAt: orders.sweepAt })
    .from(orders)
    .where(sql`${orders.status} = 'pending'`)
    .orderBy(asc(orders.sweepAt))
    .limit(1)
    .prepare()
  return {
    find: async (id, userId) => find.get({ id, userId }),
    list: async (userId, status, before, limit) =>
      status === undefined ? all.all({ userId, before, limit }) : withStatus.all({ userId, status, before, limit }),
    nextSweepAt: async () => (await oldestDue.get())?.sweepAt,
  }
}
