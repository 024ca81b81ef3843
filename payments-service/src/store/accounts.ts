import type { Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { and, eq, sql } from 'drizzle-orm'
import type { AccountReads, AccountWrites } from './port.ts'
import { accounts } from './tables.ts'

const p = sql.placeholder

export function accountWrites(writer: Session): AccountWrites {
  const db = queries(writer)
  const after = { balance: accounts.balance, number: accounts.entries }
  const insert = db
    .insert(accounts)
    .values({ userId: p('userId'), balance: 0, entries: 0, currency: p('currency'), createdAt: p('createdAt') })
    .onConflictDoNothing()
    .prepare()
  const exists = db
    .select({ userId: accounts.userId })
    .from(accounts)
    .where(eq(accounts.userId, p('userId')))
    .prepare()
  // Money leaves by this one statement: it either finds the balance large enough and takes the amount, or does nothing.
  const take = db
    .update(accounts)
    .set({ balance: sql`${accounts.balance} - ${p('amount')}`, entries: sql`${accounts.entries} + 1` })
    .where(and(eq(accounts.userId, p('userId')), sql`${accounts.balance} >= ${p('amount')}`))
    .returning(after)
    .prepare()
  const put = db
    .update(accounts)
    .set({ balance: sql`${accounts.balance} + ${p('amount')}`, entries: sql`${accounts.entries} + 1` })
    .where(
      and(
        eq(accounts.userId, p('userId')),
        sql`${accounts.balance} <= ${sql.raw(String(Number.MAX_SAFE_INTEGER))} - ${p('amount')}`,
      ),
    )
    .returning(after)
    .prepare()
  return {
    open: async (userId, currency, createdAt) => (await insert.run({ userId, currency, createdAt })).changes === 1,
    exists: async (userId) => (await exists.get({ userId })) !== undefined,
    take: async (userId, amount) => take.get({ userId, amount }),
    put: async (userId, amount) => put.get({ userId, amount }),
  }
}

export function accountReads(reader: Session): AccountReads {
  const find = queries(reader)
    .select()
    .from(accounts)
    .where(eq(accounts.userId, p('userId')))
    .prepare()
  return { find: async (userId) => find.get({ userId }) }
}
