import type { OrderStatus } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import { AGE_STEP_MS, ageLag, ageNow } from '@checkout/service/age.ts'
import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { and, asc, desc, eq, lt, lte, sql } from 'drizzle-orm'
import { type OrderRow, orders } from './tables.ts'

const p = sql.placeholder

export type NewOrderRow = Pick<
  OrderRow,
  'id' | 'userId' | 'amount' | 'currency' | 'description' | 'createdAt' | 'userRegistered' | 'createdEventId'
> & {
  /** In how many ms it is to be swept, if it is pending then. */
  sweepAfter: number
}

/** An outcome, and how it arrived. */
export interface Settlement {
  id: string
  status: Exclude<OrderStatus, 'pending'>
  failureReason: FailureReason | null
  updatedAt: number
  outcomeEventId: string
  outcomeSeq: number
  outcomeDeliveries: number
  outcomeReceivedAt: number
}

export function orderWrites(writer: Connection) {
  const db = queries(writer)
  const insert = db
    .insert(orders)
    .values({
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
      sweepAt: sql`${ageNow('schedule')} + ${ageLag(AGE_STEP_MS.schedule)} + ${p('sweepAfter')}`,
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
    add: (order: NewOrderRow): void => void insert.run({ ...order, userRegistered: Number(order.userRegistered) }),
    /** The order, when this changed it; undefined when it was settled before or does not exist. */
    settle: (settlement: Settlement) => settle.get({ ...settlement }),
    find: (id: string): OrderRow | undefined => find.get({ id }),
    /** Pending orders to be swept at this age of the file, longest waiting first. */
    due: (now: number, limit: number): OrderRow[] => due.all({ now, limit }),
    swept: (id: string, sweepAt: number): void => void swept.run({ id, sweepAt }),
  }
}

export function orderReads(reader: Connection) {
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
    /** The order if it is this user's. */
    find: (id: string, userId: string): OrderRow | undefined => find.get({ id, userId }),
    /** Newest first, before the sequence `before`. */
    list: (userId: string, status: OrderStatus | undefined, before: number, limit: number): OrderRow[] =>
      status === undefined ? all.all({ userId, before, limit }) : withStatus.all({ userId, status, before, limit }),
    /** At which age of the file the first pending order is to be swept; undefined when none is pending. */
    nextSweepAt: (): number | undefined => oldestDue.get()?.sweepAt,
  }
}
