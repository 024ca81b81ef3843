/**
 * Arrears: which outbox rows the stream no longer has although a subscription has not acknowledged them. A stream that
 * gets full makes room for those who read; what a durable had not read by then is noted here, kept in the outbox, and
 * appended to it again once the durable reads.
 */

import type { Migration, Session } from '@checkout/store/engine.ts'
import { queries } from '@checkout/store/queries.ts'
import { and, asc, eq, gte, lte, sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { ArrearsReads, ArrearsWrites } from './port.ts'

export const arrearsMigrations: readonly Migration[] = [
  {
    name: 'arrears/1',
    sql: `
      CREATE TABLE arrears (
        durable TEXT NOT NULL,
        from_id INTEGER NOT NULL, -- outbox ids, both included
        to_id INTEGER NOT NULL,
        PRIMARY KEY (durable, from_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX arrears_from_id ON arrears (from_id);
      -- Messages of the stream before this sequence may have been purged by us.
      ALTER TABLE stream_incarnation ADD COLUMN purged_to INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX publications_last_seq ON publications (last_seq);`,
  },
]

export const arrearsTable = sqliteTable(
  'arrears',
  { durable: text('durable').notNull(), fromId: integer('from_id').notNull(), toId: integer('to_id').notNull() },
  (t) => [primaryKey({ columns: [t.durable, t.fromId] }), index('arrears_from_id').on(t.fromId)],
)

/** `clear` forgets all of them, for the outbox alone. */
export function arrearsWrites(writer: Session): ArrearsWrites & { clear(): Promise<void> } {
  const db = queries(writer)
  const p = sql.placeholder
  const insert = db
    .insert(arrearsTable)
    .values({ durable: p('durable'), fromId: p('fromId'), toId: p('toId') })
    .prepare()
  const takeTouching = db
    .delete(arrearsTable)
    .where(
      and(
        eq(arrearsTable.durable, p('durable')),
        lte(arrearsTable.fromId, p('touchesTo')),
        gte(arrearsTable.toId, p('touchesFrom')),
      ),
    )
    .returning()
    .prepare()
  const remove = db
    .delete(arrearsTable)
    .where(and(eq(arrearsTable.durable, p('durable')), eq(arrearsTable.fromId, p('fromId'))))
    .prepare()
  const clear = db.delete(arrearsTable).prepare()
  const oldest = db
    .select({ id: sql<number | null>`min(${arrearsTable.fromId})` })
    .from(arrearsTable)
    .prepare()
  return {
    async note(arrears) {
      const joined = [
        arrears,
        ...(await takeTouching.all({ ...arrears, touchesTo: arrears.toId + 1, touchesFrom: arrears.fromId - 1 })),
      ]
      await insert.run({
        durable: arrears.durable,
        fromId: Math.min(...joined.map(({ fromId }) => fromId)),
        toId: Math.max(...joined.map(({ toId }) => toId)),
      })
    },
    async settle(arrears, upToId) {
      if ((await remove.run({ ...arrears })).changes === 0) return false
      if (upToId < arrears.toId) await insert.run({ ...arrears, fromId: upToId + 1 })
      return true
    },
    clear: async () => void (await clear.run()),
    oldestId: async () => (await oldest.get())?.id ?? undefined,
  }
}

export function arrearsReads(reader: Session): ArrearsReads {
  const db = queries(reader)
  const p = sql.placeholder
  const first = db
    .select()
    .from(arrearsTable)
    .where(eq(arrearsTable.durable, p('durable')))
    .orderBy(asc(arrearsTable.fromId))
    .limit(1)
    .prepare()
  const spans = db
    .select({
      durable: arrearsTable.durable,
      rows: sql<number>`sum(${arrearsTable.toId} - ${arrearsTable.fromId} + 1)`,
    })
    .from(arrearsTable)
    .groupBy(arrearsTable.durable)
    .prepare()
  return {
    first: async (durable) => first.get({ durable }),
    spans: async () => spans.all(),
  }
}
