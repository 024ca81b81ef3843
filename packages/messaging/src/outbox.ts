/**
 * The outbox: events wait here, in the transaction of the effect that they announce, until the relay has published
 * them, and stay until every subscriber has acknowledged them. Its order is the stream's order.
 *
 * A publication is recorded per batch, not per row: outbox ids `firstId…lastId` are at the sequences
 * `firstSeq…lastSeq` of one incarnation of the stream.
 */
import type { CloudEvent, EventData, EventType } from '@checkout/contracts/events.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { ageNow } from '@checkout/store/age.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import { conflictOn, nextId, queries } from '@checkout/store/queries.ts'
import { and, asc, desc, eq, gt, gte, lt, lte, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { arrearsReads, arrearsWrites } from './arrears.ts'
import type { EventContext, OutboxReads, OutboxWrites } from './port.ts'
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
  {
    // When it may be retired is measured by the file's age; published_at is for people.
    name: 'outbox-age/1',
    sql: `
      ALTER TABLE publications ADD COLUMN published_age INTEGER NOT NULL DEFAULT 0;`,
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
  publishedAge: integer('published_age').notNull(),
})

export const streamIncarnation = sqliteTable('stream_incarnation', {
  id: integer('id').primaryKey(),
  incarnation: text('incarnation').notNull(),
  purgedTo: integer('purged_to').notNull().default(0),
})

/** The first publication whose last id is at least `id`. */
const publicationFrom = (db: ReturnType<typeof queries>) =>
  db
    .select()
    .from(publications)
    .where(gte(publications.lastId, sql.placeholder('id')))
    .orderBy(asc(publications.lastId))
    .limit(1)
    .prepare()

const newestPublication = (db: ReturnType<typeof queries>) =>
  db.select().from(publications).orderBy(desc(publications.lastId)).limit(1).prepare()

export function outboxWrites(writer: Session, options: { source: string; platform: Platform }): OutboxWrites {
  const { source, platform } = options
  const db = queries(writer)
  const p = sql.placeholder
  const inserted = db.insert(outboxTable).values({
    id: nextId('outbox'),
    eventId: p('eventId'),
    type: p('type'),
    correlationId: p('correlationId'),
    event: p('event'),
    traceparent: p('traceparent'),
    createdAt: p('createdAt'),
  })
  const insert = inserted.prepare()
  const insertAgain = inserted.returning({ id: outboxTable.id }).prepare()
  const record = db
    .insert(publications)
    .values({
      firstId: p('firstId'),
      lastId: p('lastId'),
      lastEventId: p('lastEventId'),
      firstSeq: p('firstSeq'),
      lastSeq: p('lastSeq'),
      publishedAt: p('publishedAt'),
      publishedAge: ageNow('retention'),
    })
    .prepare()
  const forget = db.delete(publications).prepare()
  const setIncarnation = db
    .insert(streamIncarnation)
    .values({ id: 1, incarnation: p('incarnation') })
    .onConflictDoUpdate({
      target: conflictOn(streamIncarnation.id),
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
  // Those of which no row is left. The newest one stays: the relay recognises its stream by it.
  const deletePublications = db
    .delete(publications)
    .where(
      sql`${publications.lastId} IN (
        SELECT last_id FROM publications
        WHERE last_id <= ${p('upToId')}
          AND last_id < (SELECT max(last_id) FROM publications)
          AND last_id < coalesce((SELECT min(id) FROM outbox), ${sql.raw(String(Number.MAX_SAFE_INTEGER))})
        ORDER BY last_id LIMIT ${p('limit')})`,
    )
    .prepare()
  const newestAbout = db
    .select({ id: sql<number | null>`max(${outboxTable.id})` })
    .from(outboxTable)
    .where(and(eq(outboxTable.correlationId, p('correlationId')), eq(outboxTable.type, p('type'))))
    .prepare()
  const oldestRow = db.select({ id: outboxTable.id }).from(outboxTable).orderBy(asc(outboxTable.id)).limit(1).prepare()
  const publicationOf = publicationFrom(db)
  const last = newestPublication(db)

  return {
    async append<T extends EventType>(type: T, data: EventData<T>, context: EventContext) {
      const now = platform.now()
      const eventId = context.eventId ?? platform.newId()
      const traceparent = childOf(context.traceparent, platform.randomBytes)
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
      await insert.run({
        eventId,
        type,
        correlationId: context.correlationId,
        event: JSON.stringify(event),
        traceparent,
        createdAt: now,
      })
      return eventId
    },
    async position(type, correlationId) {
      const id = (await newestAbout.get({ type, correlationId }))?.id ?? null
      if (id === null) {
        const kept = await oldestRow.get()
        return ((kept && (await publicationOf.get({ id: kept.id }))) ?? (await last.get()))?.lastSeq ?? 0
      }
      const batch = await publicationOf.get({ id })
      return batch && batch.firstId <= id ? batch.lastSeq : Number.POSITIVE_INFINITY
    },
    published: async (publication, at) => void (await record.run({ ...publication, publishedAt: at })),
    arrears,
    async restart(incarnation) {
      await forget.run()
      await arrears.clear()
      await setIncarnation.run({ incarnation })
    },
    isOf: async (incarnation) => (await incarnationNow.get())?.now === incarnation,
    purging: async (seq) => void (await purging.run({ seq })),
    async repeat(rows) {
      const createdAt = platform.now()
      let id = 0
      for (const row of rows) id = (await insertAgain.get({ ...row, createdAt }))?.id ?? id
      return id
    },
    async retire(upToId, limit) {
      const rows = await deleteRows.run({ upToId, limit })
      const batches = await deletePublications.run({ upToId, limit })
      return Math.max(rows.changes, batches.changes)
    },
  }
}

export function outboxReads(reader: Session, platform: Platform): OutboxReads {
  const db = queries(reader)
  const p = sql.placeholder
  const take = db
    .select()
    .from(outboxTable)
    .where(gt(outboxTable.id, p('after')))
    .orderBy(asc(outboxTable.id))
    .limit(p('limit'))
    .prepare()
  const count = db
    .select({ rows: sql<number>`count(*)` })
    .from(outboxTable)
    .where(and(gt(outboxTable.id, p('after')), lte(outboxTable.id, p('upTo'))))
    .prepare()
  // The ends only, in one statement, so of one moment. Nothing is counted: ids have no gaps, because SQLite gives those of
  // rolled back rows out again, and rows are deleted from the old end only.
  const ends = db
    .select({
      newest: sql<number | null>`max(${outboxTable.id})`,
      oldest: sql<number | null>`(SELECT min(id) FROM outbox)`,
      published: sql<number | null>`(SELECT max(last_id) FROM publications)`,
    })
    .from(outboxTable)
    .prepare()
  const last = newestPublication(db)
  const incarnation = db.select().from(streamIncarnation).prepare()
  // Looked for among the oldest only. Each has a row at least (but for the newest of all), so they are enough for a round
  // that deletes no more rows than that; looking from the new end would pass by all that is not acknowledged.
  const oldestPublications = db
    .select()
    .from(publications)
    .orderBy(asc(publications.lastId))
    .limit(p('limit'))
    .as('oldest')
  const newestAcknowledged = db
    .select()
    .from(oldestPublications)
    .where(
      and(
        lte(oldestPublications.lastSeq, p('seq')),
        sql`${oldestPublications.publishedAge} <= ${ageNow('retention')} - ${p('ageMs')}`,
      ),
    )
    .orderBy(desc(oldestPublications.lastId))
    .limit(1)
    .prepare()
  const newest = db
    .select({ age: publications.publishedAge })
    .from(publications)
    .orderBy(desc(publications.lastId))
    .limit(1)
    .prepare()
  const about = db
    .select()
    .from(outboxTable)
    .where(eq(outboxTable.correlationId, p('correlationId')))
    .orderBy(asc(outboxTable.id))
    .prepare()
  const publicationOf = publicationFrom(db)
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

  return {
    take: async (after, limit) => take.all({ after, limit }),
    lastPublication: async () => last.get(),
    arrears: arrearsReads(reader),
    async oldestSeq() {
      const seq = (await oldest.get())?.seq
      return seq && Math.max(seq, (await incarnation.get())?.purgedTo ?? 0)
    },
    async idAt(seq) {
      const batch = await publicationAt.get({ seq })
      // From the back: ids have gaps, and a publication is retired from the front, in parts.
      return batch && (await behindOf.get({ lastId: batch.lastId, rows: batch.lastSeq - seq }))?.id
    },
    incarnation: async () => (await incarnation.get())?.incarnation,
    newestRetirable: async (seq, ageMs, limit) => newestAcknowledged.get({ seq, ageMs, limit }),
    newestAge: async () => (await newest.get())?.age,
    async backlog() {
      const { newest, oldest, published } = (await ends.get()) ?? { newest: null, oldest: null, published: null }
      if (newest === null || oldest === null) return { rows: 0, oldestMs: 0 }
      const before = Math.max(published ?? 0, oldest - 1)
      const [first] = newest > before ? await take.all({ after: before, limit: 1 }) : []
      return {
        rows: Math.max(0, newest - before),
        oldestMs: first ? Math.max(0, platform.now() - first.createdAt) : 0,
      }
    },
    async about(correlationId) {
      const found: Awaited<ReturnType<OutboxReads['about']>> = []
      for (const row of await about.all({ correlationId })) {
        const batch = await publicationOf.get({ id: row.id })
        if (!batch || batch.firstId > row.id) {
          found.push({ row })
          continue
        }
        // Counted, not subtracted: right also where somebody has deleted rows by hand, and at most one batch. From the
        // back, because a publication is retired from the front, in parts.
        const behind = (await count.get({ after: row.id, upTo: batch.lastId }))?.rows ?? 0
        found.push({ row, publishedAt: batch.publishedAt, streamSeq: batch.lastSeq - behind })
      }
      return found
    },
  }
}
