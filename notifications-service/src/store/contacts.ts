import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { eq, sql } from 'drizzle-orm'
import { type ContactRow, contacts } from './tables.ts'

const p = sql.placeholder

export function contactWrites(writer: Connection) {
  const db = queries(writer)
  const insert = db
    .insert(contacts)
    .values({ userId: p('userId'), name: p('name'), email: p('email'), createdAt: p('createdAt') })
    .onConflictDoNothing()
    .prepare()
  const find = db
    .select()
    .from(contacts)
    .where(eq(contacts.userId, p('userId')))
    .prepare()
  return {
    add: (contact: ContactRow): void => void insert.run({ ...contact }),
    find: (userId: string): ContactRow | undefined => find.get({ userId }),
  }
}
