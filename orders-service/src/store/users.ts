import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { eq, sql } from 'drizzle-orm'
import { type UserRow, users } from './tables.ts'

const p = sql.placeholder

export function userWrites(writer: Connection) {
  const db = queries(writer)
  const insert = db
    .insert(users)
    .values({ id: p('id'), name: p('name'), email: p('email'), createdAt: p('createdAt') })
    .onConflictDoNothing()
    .prepare()
  const exists = db
    .select({ id: users.id })
    .from(users)
    .where(eq(users.id, p('id')))
    .prepare()
  return {
    /** False when the id is registered already. */
    add: (user: UserRow): boolean => insert.run({ ...user }).changes === 1,
    exists: (id: string): boolean => exists.get({ id }) !== undefined,
  }
}

export function userReads(reader: Connection) {
  const find = queries(reader)
    .select()
    .from(users)
    .where(eq(users.id, p('id')))
    .prepare()
  return { find: (id: string): UserRow | undefined => find.get({ id }) }
}
