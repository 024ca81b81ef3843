/**
 * The inbox: the ids of the events whose effects are stored, claimed in the transaction of the effect. It keeps
 * duplicates cheap; that an effect happens once rests on keys in the domain (one decision per order, one letter of
 * joy or sorrow per order), so no guarantee depends on how long the inbox remembers.
 */
import { ageNow, keptAges } from '@checkout/store/age.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import type { KeptAges } from '@checkout/store/port.ts'
import { nextId, queries } from '@checkout/store/queries.ts'
import { sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { InboxWrites } from './port.ts'

export const inboxMigrations: readonly Migration[] = [
  {
    name: 'inbox/1',
    sql: `
      CREATE TABLE inbox (
        id INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        received_at INTEGER NOT NULL
      ) STRICT;`,
  },
  {
    // When it is forgotten is measured by the file's age, so an id that was claimed under a wrong clock stops nothing.
    name: 'inbox-age/1',
    sql: `
      ALTER TABLE inbox RENAME COLUMN received_at TO received_age;
      UPDATE inbox SET received_age = 0;`,
  },
]

export const inboxTable = sqliteTable('inbox', {
  id: integer('id').primaryKey(),
  eventId: text('event_id').notNull().unique(),
  receivedAge: integer('received_age').notNull(),
})

export function inboxWrites(writer: Session): InboxWrites {
  const db = queries(writer)
  const p = sql.placeholder
  const claim = db
    .insert(inboxTable)
    .values({ id: nextId('inbox'), eventId: p('eventId'), receivedAge: ageNow('retention') })
    .onConflictDoNothing()
    .prepare()
  const purge = db
    .delete(inboxTable)
    .where(
      sql`${inboxTable.id} IN (SELECT id FROM inbox WHERE id > 0 ORDER BY id LIMIT ${p('limit')}) AND ${inboxTable.receivedAge} <= ${ageNow('retention')} - ${p('ageMs')}`,
    )
    .prepare()
  return {
    claim: async (eventId) => (await claim.run({ eventId })).changes === 1,
    purge: async (ageMs, limit) => (await purge.run({ limit, ageMs })).changes,
  }
}

export const inboxReads = (reader: Session): KeptAges => keptAges(reader, 'inbox', 'received_age', 'id')
