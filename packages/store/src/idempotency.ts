/**
 * Idempotency keys: the answer to a request, stored in the transaction of its effect, so that a repeated request gets
 * the first one's answer and the effect happens once (draft-ietf-httpapi-idempotency-key-header).
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { and, eq, sql } from 'drizzle-orm'
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { ageNow, keptAges } from './age.ts'
import type { Migration, Session } from './engine.ts'
import type { Answer, IdempotencyWrites, IdempotentRequest, KeptAges } from './port.ts'
import { queries } from './queries.ts'

/** How long an answer is kept, by the file's age (see age.ts). The promise to clients is "at least 24 h". */
export const IDEMPOTENCY_RETENTION_MS = 25 * 60 * 60 * 1000

/** To be applied after `ageMigrations`. */
export const idempotencyMigrations: readonly Migration[] = [
  {
    name: 'idempotency/1',
    sql: `
      CREATE TABLE idempotency_keys (
        user_id TEXT NOT NULL,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        request TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL,
        location TEXT,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (user_id, route, key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);`,
  },
  {
    // When it is purged is measured by the file's age; created_at is for people.
    name: 'idempotency-age/1',
    sql: `
      DROP INDEX idempotency_keys_created_at;
      ALTER TABLE idempotency_keys ADD COLUMN created_age INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX idempotency_keys_created_age ON idempotency_keys (created_age);`,
  },
]

export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    userId: text('user_id').notNull(),
    route: text('route').notNull(),
    key: text('key').notNull(),
    request: text('request').notNull(),
    status: integer('status').notNull(),
    body: text('body').notNull(),
    location: text('location'),
    createdAt: integer('created_at').notNull(),
    createdAge: integer('created_age').notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.route, t.key] })],
)

export function idempotencyWrites(writer: Session, platform: Platform): IdempotencyWrites {
  const db = queries(writer)
  const p = sql.placeholder
  const t = idempotencyKeys
  const find = db
    .select()
    .from(t)
    .where(and(eq(t.userId, p('userId')), eq(t.route, p('route')), eq(t.key, p('key'))))
    .prepare()
  const insert = db
    .insert(t)
    .values({
      userId: p('userId'),
      route: p('route'),
      key: p('key'),
      request: p('request'),
      status: p('status'),
      body: p('body'),
      location: p('location'),
      createdAt: p('createdAt'),
      createdAge: ageNow('retention'),
    })
    .prepare()
  const purge = db
    .delete(t)
    .where(
      sql`(${t.userId}, ${t.route}, ${t.key}) IN (SELECT user_id, route, key FROM idempotency_keys WHERE created_age <= ${ageNow('retention')} - ${p('ageMs')} ORDER BY created_age LIMIT ${p('limit')})`,
    )
    .prepare()

  return {
    async once<Body>(request: IdempotentRequest, effect: () => Promise<Answer<Body>>) {
      if (request.key === undefined) return effect()
      const { userId, route, key } = request
      const fingerprint = canonical(request.body)
      const stored = await find.get({ userId, route, key })
      if (stored) {
        if (stored.request !== fingerprint) throw new Problem('idempotency_key_reused')
        const answer: Answer<Body> = { status: stored.status, body: JSON.parse(stored.body), replayed: true }
        return stored.location === null ? answer : { ...answer, location: stored.location }
      }
      const answer = await effect()
      await insert.run({
        userId,
        route,
        key,
        request: fingerprint,
        status: answer.status,
        body: JSON.stringify(answer.body),
        location: answer.location ?? null,
        createdAt: platform.now(),
      })
      return answer
    },
    purge: async (ageMs, limit) => (await purge.run({ ageMs, limit })).changes,
  }
}

export const idempotencyReads = (reader: Session): KeptAges =>
  keptAges(reader, 'idempotency_keys', 'created_age', 'created_age')

/** What the clean-up has to know: how long answers are kept, and how they are deleted. */
export const keptAnswers = (ages: KeptAges) => ({
  ages,
  forMs: IDEMPOTENCY_RETENTION_MS,
  purge: (tx: { idempotency: IdempotencyWrites }, ageMs: number, limit: number): Promise<number> =>
    tx.idempotency.purge(ageMs, limit),
})

/** One text per body whatever the order of its fields: what "the same body" means. */
const canonical = (body: object): string =>
  JSON.stringify(Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1))))
