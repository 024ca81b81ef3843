import type { Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { LedgerReads, LedgerWrites } from './port.ts'
import { transactions } from './tables.ts'

const p = sql.placeholder

export function ledgerWrites(writer: Session): LedgerWrites {
  const insert = queries(writer)
    .insert(transactions)
    .values({
      id: p('id'),
      userId: p('userId'),
      number: p('number'),
      kind: p('kind'),
      amount: p('amount'),
      balanceAfter: p('balanceAfter'),
      orderId: p('orderId'),
      createdAt: p('createdAt'),
    })
    .prepare()
  return { append: async (entry) => void (await insert.run({ ...entry })) }
}

export function ledgerReads(reader: Session): LedgerReads {
  const db = queries(reader)
  const list = db
    .select()
    .from(transactions)
    .where(and(eq(transactions.userId, p('userId')), lt(transactions.number, p('before'))))
    .orderBy(desc(transactions.number))
    .limit(p('limit'))
    .prepare()
  const ofOrder = db
    .select()
    .from(transactions)
    .where(eq(transactions.orderId, p('orderId')))
    .prepare()
  return {
    list: async (userId, before, limit) => list.all({ userId, before, limit }),
    debitOf: async (orderId) => ofOrder.get({ orderId }),
  }
}
