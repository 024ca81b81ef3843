import type { Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { eq, sql } from 'drizzle-orm'
import type { ContactWrites } from './port.ts'
import { contacts } from './tables.ts'

const p = sql.placeholder

export function contactWrites(writer: Session): ContactWrites {
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
    add: async (contact) => void (await insert.run({ ...contact })),
    find: async (userId) => find.get({ userId }),
  }
}
