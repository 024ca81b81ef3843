import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { and, eq, sql } from 'drizzle-orm'
import { accounts } from './tables.ts'

const p = sql.placeholder

/** What an account is after one more entry. */
export interface Moved {
  balance: number
  /** Number of the entry that belongs to this movement. */
  number: number
}

export function accountWrites(writer: Connection) {
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
      and(eq(accounts.userId, p('userId')), sql`${accounts.balance} <= ${Number.MAX_SAFE_INTEGER} - ${p('amount')}`),
    )
    .returning(after)
    .prepare()
  return {
    /** Opens an empty account; false when the user has one. */
    open: (userId: string, currency: string, createdAt: number): boolean =>
      insert.run({ userId, currency, createdAt }).changes === 1,
    exists: (userId: string): boolean => exists.get({ userId }) !== undefined,
    /** Takes the amount, or undefined when the account is missing or its balance too small. */
    take: (userId: string, amount: number): Moved | undefined => take.get({ userId, amount }),
    /** Adds the amount, or undefined when the account is missing or would exceed the largest balance. */
    put: (userId: string, amount: number): Moved | undefined => put.get({ userId, amount }),
  }
}

export function accountReads(reader: Connection) {
  const find = queries(reader)
    .select()
    .from(accounts)
    .where(eq(accounts.userId, p('userId')))
    .prepare()
  return { find: (userId: string) => find.get({ userId }) }
}
