/**
 * The outbox: events wait here, in the transaction of the effect that they announce, until the relay has published
 * them, and stay until every subscriber has acknowledged them. Its order is the stream's order.
 *
 * A publication is recorded per batch, not per row: outbox ids `firstId…lastId` are at the sequences
 * `firstSeq…lastSeq` of one incarnation of the stream.
 */
import type { CloudEvent, EventData, EventType } from '@checkout/contracts/events.ts'
import { type Clock, type NewId, rfc3339 } from '@checkout/service/clock.ts'
import type { Connection, Migration } from '@checkout/service/sqlite.ts'
import { and, asc, desc, eq, gt, gte, lt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { arrearsReads, arrearsWrites } from './arrears.ts'
import { childOf } from './trace.ts'

export const outboxMigrations: readonly Migration[] = [
  {
    name: 'outbox/1',
    sql: `
      CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: the stream's messages are named by it
        event_id TEXT NOT NULL,
        type TEXT NOT NULL,
        correlation_id TEXT NOT NULL,
        event TEXT NOT NULL,
        traceparent TEXT,
        created_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX outbox_correlation_id ON outbox (correlation_id);
      CREATE TABLE publications (
        first_id INTEGER NOT NULL,
        last_id INTEGER PRIMARY KEY,
        last_event_id TEXT NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        published_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE stream_incarnation (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        incarnation TEXT NOT NULL
      ) STRICT;`,
  },
]

export const outboxTable = sqliteTable('outbox', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  eventId: text('event_id').notNull(),
  type: text('type').notNull().$type<EventType>(),
  correlationId: text('correlation_id').notNull(),
  event: text('event').notNull(),
  traceparent: text('traceparent'),
  createdAt: integer('created_at').notNull(),
})

export const publications = sqliteTable('publications', {
  firstId: integer('first_id').notNull(),
  lastId: integer('last_id').primaryKey(),
  lastEventId: text('last_event_id').notNull(),
  firstSeq: integer('first_seq').notNull(),
  lastSeq: integer('last_seq').notNull(),
  publishedAt: integer('published_at').notNull(),
})

export const streamIncarnation = sqliteTable('stream_incarnation', {
  id: integer('id').primaryKey(),
  incarnation: text('incarnation').notNull(),
  purgedTo: integer('purged_to').notNull().default(0),
})

export type OutboxRow = typeof outboxTable.$inferSelect
export type Publication = Omit<typeof publications.$inferSelect, 'publishedAt'>

/** What an event says besides its data. */
export interface EventContext {
  /** The order, or for users.* the user, that it is about. */
  readonly correlationId: string
  /** Id of the event that caused it; none when a request did. */
  readonly causationId?: string | undefined
  /** The trace of the request or event that caused it; a new trace when there is none. */
  readonly traceparent?: string | undefined
  /** Only for a re-emission: the id that the event had the first time. */
  readonly eventId?: string | undefined
}

export type OutboxWrites = ReturnType<typeof outboxWrites>

export function outboxWrites(writer: Connection, options: { source: string; clock: Clock; newId: NewId }) {
  const { source, clock, newId } = options
  const db = drizzle(writer)
  const p = sql.placeholder
  const insert = db
    .insert(outboxTable)
    .values({
      eventId: p('eventId'),
      type: p('type'),
      correlationId: p('correlationId'),
      event: p('event'),
      traceparent: p('traceparent'),
      createdAt: p('createdAt'),
    })
    .prepare()
  const record = db
    .insert(publications)
    .values({
      firstId: p('firstId'),
      lastId: p('lastId'),
      lastEventId: p('lastEventId'),
      firstSeq: p('firstSeq'),
      lastSeq: p('lastSeq'),
      publishedAt: p('publishedAt'),
    })
    .prepare()
  const forget = db.delete(publications).prepare()
  const setIncarnation = db
    .insert(streamIncarnation)
    .values({ id: 1, incarnation: p('incarnation') })
    .onConflictDoUpdate({
      target: streamIncarnation.id,
      set: { incarnation: sql`excluded.incarnation`, purgedTo: sql`0` },
    })
    .prepare()
  const purging = db
    .update(streamIncarnation)
    .set({ purgedTo: sql`${p('seq')}` })
    .where(lt(streamIncarnation.purgedTo, p('seq')))
    .prepare()
  const incarnationNow = db.select({ now: streamIncarnation.incarnation }).from(streamIncarnation).prepare()
  const arrears = arrearsWrites(writer)
  const deleteRows = db
    .delete(outboxTable)
    .where(sql`${outboxTable.id} IN (SELECT id FROM outbox WHERE id <= ${p('upToId')} ORDER BY id LIMIT ${p('limit')})`)
    .prepare()
  const deletePublications = db
    .delete(publications)
    .where(
      and(
        lte(publications.lastId, p('upToId')),
        // The newest one stays: the relay recognises its stream by it.
        lt(publications.lastId, sql`(SELECT max(last_id) FROM publications)`),
      ),
    )
    .prepare()
  const anyRow = db
    .select({ id: outboxTable.id })
    .from(outboxTable)
    .where(lte(outboxTable.id, p('upToId')))
    .limit(1)
    .prepare()

  return {
    /** Adds an event behind all others; it is published once this transaction is committed. Returns its id. */
    append<T extends EventType>(type: T, data: EventData<T>, context: EventContext): string {
      const now = clock.now()
      const eventId = context.eventId ?? newId()
      const traceparent = childOf(context.traceparent)
      const event: CloudEvent<T> = {
        specversion: '1.0',
        id: eventId,
        source,
        type,
        time: rfc3339(now),
        datacontenttype: 'application/json',
        correlationid: context.correlationId,
        ...(context.causationId === undefined ? {} : { causationid: context.causationId }),
        traceparent,
        data,
      }
      insert.run({
        eventId,
        type,
        correlationId: context.correlationId,
        event: JSON.stringify(event),
        traceparent,
        createdAt: now,
      })
      return eventId
    },
    /** Records that a batch is in the stream. */
    published: (publication: Publication): void => void record.run({ ...publication, publishedAt: clock.now() }),
    arrears,
    /** The stream was made anew: everything retained is unpublished again, so nobody is in arrears. */
    restart(incarnation: string): void {
      forget.run()
      arrears.clear()
      setIncarnation.run({ incarnation })
    },
    /** Whether the stream is still that one: what was read about another does not count. */
    isOf: (incarnation: string): boolean => incarnationNow.get()?.now === incarnation,
    /** Said before the messages before `seq` are purged: that they are gone is then no loss. */
    purging: (seq: number): void => void purging.run({ seq }),
    /** Appends these rows again, as the same events. Returns the last one's new id. */
    repeat(rows: readonly OutboxRow[]): number {
      const createdAt = clock.now()
      return rows.reduce((_, row) => Number(insert.run({ ...row, createdAt }).lastInsertRowid), 0)
    },
    /**
     * Deletes up to `limit` rows, oldest first, of those with ids up to `upToId`, and once none is left also their
     * publications. Returns how many rows it deleted.
     */
    retire(upToId: number, limit: number): number {
      const deleted = deleteRows.run({ upToId, limit }).changes
      if (!anyRow.get({ upToId })) deletePublications.run({ upToId })
      return deleted
    },
  }
}

export type OutboxReads = ReturnType<typeof outboxReads>

export function outboxReads(reader: Connection, clock: Clock) {
  const db = drizzle(reader)
  const p = sql.placeholder
  const take = db
    .select()
    .from(outboxTable)
    .where(gt(outboxTable.id, p('after')))
    .orderBy(asc(outboxTable.id))
    .limit(p('limit'))
    .prepare()
  const count = db
    .select({ rows: sql<number>`count(*)`, oldest: sql<number | null>`min(${outboxTable.createdAt})` })
    .from(outboxTable)
    .where(and(gt(outboxTable.id, p('after')), lte(outboxTable.id, p('upTo'))))
    .prepare()
  const last = db.select().from(publications).orderBy(desc(publications.lastId)).limit(1).prepare()
  const incarnation = db.select().from(streamIncarnation).prepare()
  const newestAcknowledged = db
    .select()
    .from(publications)
    .where(and(lte(publications.lastSeq, p('seq')), lte(publications.publishedAt, p('before'))))
    .orderBy(desc(publications.lastId))
    .limit(1)
    .prepare()
  const about = db
    .select()
    .from(outboxTable)
    .where(eq(outboxTable.correlationId, p('correlationId')))
    .orderBy(asc(outboxTable.id))
    .prepare()
  const publicationOf = db
    .select()
    .from(publications)
    .where(sql`${publications.lastId} >= ${p('id')} AND ${publications.firstId} <= ${p('id')}`)
    .orderBy(asc(publications.lastId))
    .limit(1)
    .prepare()

  const oldest = db
    .select({ seq: publications.firstSeq })
    .from(publications)
    .where(sql`${publications.lastId} >= (SELECT min(id) FROM outbox)`)
    .orderBy(asc(publications.lastId))
    .limit(1)
    .prepare()
  const publicationAt = db
    .select()
    .from(publications)
    .where(gte(publications.lastSeq, p('seq')))
    .orderBy(asc(publications.lastSeq))
    .limit(1)
    .prepare()
  const behindOf = db
    .select({ id: outboxTable.id })
    .from(outboxTable)
    .where(lte(outboxTable.id, p('lastId')))
    .orderBy(desc(outboxTable.id))
    .limit(1)
    .offset(p('rows'))
    .prepare()

  /** The newest recorded publication: everything up to it is in the stream. */
  const lastPublication = (): Publication | undefined => last.get()

  return {
    /** The next rows to publish, in order. */
    take: (after: number, limit: number): OutboxRow[] => take.all({ after, limit }),
    lastPublication,
    arrears: arrearsReads(reader),
    /** From this sequence on the stream must have every message: their rows are retained, and we have not purged them. */
    oldestSeq(): number | undefined {
      const seq = oldest.get()?.seq
      return seq && Math.max(seq, incarnation.get()?.purgedTo ?? 0)
    },
    /** The retained row that was published at a sequence of the stream. */
    idAt(seq: number): number | undefined {
      const batch = publicationAt.get({ seq })
      // From the back: ids have gaps, and a publication is retired from the front, in parts.
      return batch && behindOf.get({ lastId: batch.lastId, rows: batch.lastSeq - seq })?.id
    },
    incarnation: (): string | undefined => incarnation.get()?.incarnation,
    /** The newest publication wholly at or before `seq` that was recorded at least `ageMs` ago. */
    newestRetirable: (seq: number, ageMs: number) => newestAcknowledged.get({ seq, before: clock.now() - ageMs }),
    /** How much waits to be published, and since when. */
    backlog(): { rows: number; oldestMs: number } {
      const found = count.get({ after: lastPublication()?.lastId ?? 0, upTo: Number.MAX_SAFE_INTEGER })
      const oldest = found?.oldest ?? null
      return { rows: found?.rows ?? 0, oldestMs: oldest === null ? 0 : Math.max(0, clock.now() - oldest) }
    },
    /** The retained events about one order or user, with where in the stream they are. */
    about(correlationId: string): { row: OutboxRow; publishedAt?: number; streamSeq?: number }[] {
      return about.all({ correlationId }).map((row) => {
        const batch = publicationOf.get({ id: row.id })
        if (!batch) return { row }
        // Ids have gaps where a member of a batch was rolled back, sequences have none: count, do not subtract. From
        // the back, because a publication is retired from the front, in parts.
        const behind = count.get({ after: row.id, upTo: batch.lastId })?.rows ?? 0
        return { row, publishedAt: batch.publishedAt, streamSeq: batch.lastSeq - behind }
      })
    },
  }
}
