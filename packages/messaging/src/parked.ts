/**
 * Parked messages: the handler failed, the message is kept in the service's file and acknowledged, and tried again from
 * there. So it holds no place among the unacknowledged messages of its durable, where a few thousand failing ones would
 * keep good ones from being delivered.
 *
 * A row that failed again is written anew: ids say in which order the rows failed last, and are never used twice.
 */

import type { Migration, Session } from '@checkout/store/engine.ts'
import { nextId, queries } from '@checkout/store/queries.ts'
import { and, asc, eq, lte, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { deadLettersTable } from './dead-letters.ts'
import type { ParkedReads, ParkedWrites } from './port.ts'

export const parkedMigrations: readonly Migration[] = [
  {
    name: 'parked/1',
    // handler_failures counted the attempts of messages that waited in the stream; nobody needs its rows any more. The
    // table stays for an older instance that may be running on the file.
    sql: `
      CREATE TABLE parked (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        consumer TEXT NOT NULL,
        event_key TEXT NOT NULL,
        subject TEXT NOT NULL,
        message TEXT NOT NULL,
        headers TEXT NOT NULL,
        stream_seq INTEGER NOT NULL,
        deliveries INTEGER NOT NULL, -- of the message, when it was parked
        attempts INTEGER NOT NULL,
        UNIQUE (consumer, event_key)
      ) STRICT;
      CREATE INDEX parked_attempts ON parked (attempts);
      DELETE FROM handler_failures;`,
  },
]

export const parkedTable = sqliteTable('parked', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  consumer: text('consumer').notNull(),
  eventKey: text('event_key').notNull(),
  subject: text('subject').notNull(),
  message: text('message').notNull(),
  headers: text('headers').notNull(),
  streamSeq: integer('stream_seq').notNull(),
  deliveries: integer('deliveries').notNull(),
  attempts: integer('attempts').notNull(),
})

export function parkedWrites(writer: Session): ParkedWrites {
  const db = queries(writer)
  const p = sql.placeholder
  const insert = db
    .insert(parkedTable)
    .values({
      id: nextId('parked'),
      consumer: p('consumer'),
      eventKey: p('eventKey'),
      subject: p('subject'),
      message: p('message'),
      headers: p('headers'),
      streamSeq: p('streamSeq'),
      deliveries: p('deliveries'),
      attempts: p('attempts'),
    })
    .onConflictDoNothing()
    .returning({ id: parkedTable.id })
    .prepare()
  const dead = db
    .select({ seq: deadLettersTable.seq })
    .from(deadLettersTable)
    .where(and(eq(deadLettersTable.consumer, p('consumer')), eq(deadLettersTable.eventKey, p('eventKey'))))
    .prepare()
  const one = db
    .select({ id: parkedTable.id })
    .from(parkedTable)
    .where(and(eq(parkedTable.consumer, p('consumer')), eq(parkedTable.eventKey, p('eventKey'))))
    .prepare()
  const remove = db
    .delete(parkedTable)
    .where(eq(parkedTable.id, p('id')))
    .prepare()
  return {
    async add(message) {
      const { consumer, eventKey } = message
      if (!(await dead.get({ consumer, eventKey }))) await insert.get({ ...message })
    },
    has: async (consumer, eventKey) => (await one.get({ consumer, eventKey })) !== undefined,
    remove: async (id) => (await remove.run({ id })).changes === 1,
    async probe() {
      const kept = await insert.get({ ...PROBE, consumer: 'probe' })
      if (kept) await remove.run({ id: kept.id })
    },
  }
}

const PROBE = {
  eventKey: 'probe',
  subject: '',
  message: 'probe'.repeat(4_000),
  headers: '',
  streamSeq: 0,
  deliveries: 0,
  attempts: 0,
}

export function parkedReads(reader: Session): ParkedReads {
  const db = queries(reader)
  const p = sql.placeholder
  const newest = db
    .select({ id: sql<number | null>`max(${parkedTable.id})` })
    .from(parkedTable)
    .prepare()
  const failed = db
    .select()
    .from(parkedTable)
    .where(and(eq(parkedTable.attempts, p('attempts')), lte(parkedTable.id, p('upTo'))))
    .orderBy(asc(parkedTable.id))
    .limit(p('limit'))
    .prepare()
  return {
    newest: async () => (await newest.get())?.id ?? undefined,
    failed: async (attempts, upTo, limit) => failed.all({ attempts, upTo, limit }),
  }
}
