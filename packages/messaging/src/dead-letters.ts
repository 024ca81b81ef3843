/**
 * Dead letters: messages that can never be handled as they are, kept with everything needed to look at them, replay
 * them or throw them away. A dead-lettered event is not claimed in the inbox.
 */
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import { nextId, queries } from '@checkout/store/queries.ts'
import { desc, eq, lt, sql } from 'drizzle-orm'
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { DeadLetterReads, DeadLetterWrites } from './port.ts'

export const deadLetterMigrations: readonly Migration[] = [
  {
    name: 'dead-letters/1',
    sql: `
      CREATE TABLE dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        consumer TEXT NOT NULL,
        event_key TEXT NOT NULL, -- the event's id, or sha256:… of a message that has none
        subject TEXT NOT NULL,
        message TEXT NOT NULL,
        headers TEXT NOT NULL,
        error TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        UNIQUE (consumer, event_key)
      ) STRICT;
      CREATE TABLE handler_failures (
        consumer TEXT NOT NULL,
        event_key TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        PRIMARY KEY (consumer, event_key)
      ) STRICT, WITHOUT ROWID;`,
  },
  {
    // Everybody may ask for the number at any time, so it is kept; by triggers, so that it is right whoever deletes.
    name: 'dead-letter-count/1',
    sql: `
      CREATE TABLE dead_letter_count (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        letters INTEGER NOT NULL CHECK (letters >= 0)
      ) STRICT;
      INSERT INTO dead_letter_count SELECT 1, count(*) FROM dead_letters;
      CREATE TRIGGER dead_letters_counted_in AFTER INSERT ON dead_letters
        BEGIN UPDATE dead_letter_count SET letters = letters + 1 WHERE id = 1; END;
      CREATE TRIGGER dead_letters_counted_out AFTER DELETE ON dead_letters
        BEGIN UPDATE dead_letter_count SET letters = letters - 1 WHERE id = 1; END;`,
    // Counted when it is asked for: an index of few rows, and no trigger's language in the database.
    postgres: 'CREATE VIEW dead_letter_count AS SELECT 1 AS id, count(*) AS letters FROM dead_letters;',
  },
]

export const deadLettersTable = sqliteTable('dead_letters', {
  seq: integer('seq').primaryKey({ autoIncrement: true }),
  id: text('id').notNull().unique(),
  consumer: text('consumer').notNull(),
  eventKey: text('event_key').notNull(),
  subject: text('subject').notNull(),
  message: text('message').notNull(),
  headers: text('headers').notNull(),
  error: text('error').notNull(),
  attempts: integer('attempts').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** Not used any more: see `parked.ts`. */
export const handlerFailures = sqliteTable(
  'handler_failures',
  {
    consumer: text('consumer').notNull(),
    eventKey: text('event_key').notNull(),
    attempts: integer('attempts').notNull(),
  },
  (t) => [primaryKey({ columns: [t.consumer, t.eventKey] })],
)

export const deadLetterCount = sqliteTable('dead_letter_count', {
  id: integer('id').primaryKey(),
  letters: integer('letters').notNull(),
})

export function deadLetterWrites(writer: Session, platform: Platform): DeadLetterWrites {
  const db = queries(writer)
  const p = sql.placeholder
  const insert = db
    .insert(deadLettersTable)
    .values({
      seq: nextId('dead_letters'),
      id: p('id'),
      consumer: p('consumer'),
      eventKey: p('eventKey'),
      subject: p('subject'),
      message: p('message'),
      headers: p('headers'),
      error: p('error'),
      attempts: p('attempts'),
      createdAt: p('createdAt'),
    })
    .onConflictDoNothing()
    .prepare()
  const remove = db
    .delete(deadLettersTable)
    .where(eq(deadLettersTable.id, p('id')))
    .prepare()
  return {
    add: async (letter) => void (await insert.run({ ...letter, id: platform.newId(), createdAt: platform.now() })),
    remove: async (id) => (await remove.run({ id })).changes === 1,
  }
}

export function deadLetterReads(reader: Session): DeadLetterReads {
  const db = queries(reader)
  const p = sql.placeholder
  const list = db
    .select()
    .from(deadLettersTable)
    .where(lt(deadLettersTable.seq, p('before')))
    .orderBy(desc(deadLettersTable.seq))
    .limit(p('limit'))
    .prepare()
  const one = db
    .select()
    .from(deadLettersTable)
    .where(eq(deadLettersTable.id, p('id')))
    .prepare()
  const count = db
    .select({ letters: deadLetterCount.letters })
    .from(deadLetterCount)
    .where(eq(deadLetterCount.id, 1))
    .prepare()
  return {
    list: async (before, limit) => list.all({ before, limit }),
    one: async (id) => one.get({ id }),
    count: async () => (await count.get())?.letters ?? 0,
  }
}
