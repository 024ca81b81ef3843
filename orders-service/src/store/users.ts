import type { Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { eq, sql } from 'drizzle-orm'
import type { UserReads, UserWrites } from './port.ts'
import { users } from './tables.ts'

const p = sql.placeholder

export function userWrites(writer: Session): UserWrites {
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
    add: async (user) => (await insert.run({ ...user })).changes === 1,
    exists: async (id) => (await exists.get({ id })) !== undefined,
  }
}

export function userReads(reader: Session): UserReads {
  const find = queries(reader)
    .select()
    .from(users)
    .where(eq(users.id, p('id')))
    .prepare()
  return { find: async (id) => find.get({ id }) }
}
