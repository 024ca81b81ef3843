/**
 * The inbox: the ids of the events whose effects are stored, claimed in the transaction of the effect. It keeps
 * duplicates cheap; that an effect happens once rests on keys in the domain (one decision per order, one letter per
 * order and kind), so no guarantee depends on how long the inbox remembers.
 */
import type { Clock } from '@checkout/service/clock.ts'
import type { Connection, Migration } from '@checkout/service/sqlite.ts'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

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
]

export const inboxTable = sqliteTable('inbox', {
  id: integer('id').primaryKey(),
  eventId: text('event_id').notNull().unique(),
  receivedAt: integer('received_at').notNull(),
})

export type InboxWrites = ReturnType<typeof inboxWrites>

export function inboxWrites(writer: Connection, clock: Clock) {
  const db = drizzle(writer)
  const p = sql.placeholder
  const claim = db
    .insert(inboxTable)
    .values({ eventId: p('eventId'), receivedAt: p('receivedAt') })
    .onConflictDoNothing()
    .prepare()
  const purge = db
    .delete(inboxTable)
    .where(
      sql`${inboxTable.id} IN (SELECT id FROM inbox ORDER BY id LIMIT ${p('limit')}) AND ${inboxTable.receivedAt} < ${p('before')}`,
    )
    .prepare()
  return {
    /** True the first time that this event is seen: its effect belongs into this transaction. */
    claim: (eventId: string): boolean => claim.run({ eventId, receivedAt: clock.now() }).changes === 1,
    /** Forgets up to `limit` ids older than `ageMs`, oldest first; returns how many. */
    purge: (ageMs: number, limit: number): number => purge.run({ limit, before: clock.now() - ageMs }).changes,
  }
}
