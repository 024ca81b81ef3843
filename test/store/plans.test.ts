/**
 * No statement takes longer because there are more rows: every statement that the services prepare is explained by
 * SQLite, and one that walks through a growing table is refused. All of them run on the event loop, and the status page
 * and the duties run some of them all the time.
 */
import type { ServiceName } from '@checkout/contracts/services.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Connection } from '@checkout/store/sqlite.ts'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { openNotificationsStore } from '../../notifications-service/src/store/index.ts'
import { openOrdersStore } from '../../orders-service/src/store/index.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'

const machine = createPlatform()

/** Tables of few rows. Every other one is taken to grow. (Arrears join: a durable has a range or two; nonces: 1,000.) */
const SMALL = [
  'migrations',
  'lease',
  'stream_incarnation',
  'deployment',
  'dead_letter_count',
  'ages',
  'arrears',
  'claim_nonces',
]

/** Statements that look as if they took longer with more rows, and why they do not; `…` stands for any ending. */
const ALLOWED: [sql: string, reason: string][] = [
  [
    'select first_id, last_id, last_event_id, first_seq, last_seq, published_at, published_age from (select first_id, last_id, last_event_id, first_seq, last_seq, published_at, published_age from publications order by publications.last_id asc limit ?) oldest …',
    'RETIRE_BATCH publications from the old end',
  ],
  ['select count(*) from outbox where (outbox.id > ? and outbox.id <= ?)', 'rows of one publication: at most 256'],
  [
    'select id, event_id, type, correlation_id, event, traceparent, created_at from outbox where outbox.correlation_id = ? order by outbox.id asc',
    'the events about one order',
  ],
  [
    'select user_id, seq, id, kind, order_id, to_address, subject, body, mail, mail_attempts, mail_due_at, created_at, sent_at, cause_event_id, cause_seq, cause_deliveries, cause_received_at, outcome_of from letters where (letters.order_id = ? and +letters.user_id = ?)',
    'the letters about one order: one of each kind',
  ],
  ['select max(id) from outbox where (outbox.correlation_id = ? and outbox.type = ?)', 'the events about one order'],
  ['delete from publications', 'only when a stream is made anew; SQLite frees the pages without looking at rows'],
]

interface Statement {
  db: Connection
  sql: string
}

/** What `open` opens, and everything that is prepared on any connection meanwhile. */
async function prepared<Store>(open: () => Promise<Store>): Promise<{ store: Store; statements: Statement[] }> {
  const statements: Statement[] = []
  const original = Database.prototype.prepare
  Database.prototype.prepare = function (this: Connection, sql: string) {
    statements.push({ db: this, sql })
    return original.call(this, sql)
  } as typeof original
  try {
    return { store: await open(), statements }
  } finally {
    Database.prototype.prepare = original
  }
}

const matches = (sql: string, allowed: string): boolean =>
  allowed.endsWith('…') ? sql.startsWith(allowed.slice(0, -1)) : sql === allowed

/** One line, without the quotes that drizzle puts around names. */
const plain = (sql: string) => sql.replaceAll('"', '').replace(/\s+/g, ' ').trim()

/** Why the statement is refused: what in its plan grows with the rows of which table. */
function refusals({ db, sql }: Statement): string[] {
  const text = plain(sql)
  if (!/^(select|insert|update|delete|with)\b/i.test(text)) return []
  const whole = /^delete from (\w+)$/i.exec(text)?.[1]
  if (whole && !SMALL.includes(whole)) return [`deletes all of ${whole}`]
  const parameters = Array.from(sql.matchAll(/\?/g), () => 1)
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[]
  return plan.flatMap(({ detail }) => refusal(db, text, detail) ?? [])
}

function refusal(db: Connection, sql: string, detail: string): string | undefined {
  if (/TEMP B-TREE|AUTOMATIC/.test(detail)) return detail
  const [, verb, table, index, constraint = ''] =
    /^(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?(?:INDEX (\w+)|(?:INTEGER )?PRIMARY KEY))?(?: \((.*)\))?/.exec(
      detail,
    ) ?? []
  if (!verb || !table || SMALL.includes(table)) return undefined
  const columns = (db.pragma(`table_info(${table})`) as { name: string; pk: number }[]) ?? []
  if (columns.length === 0) return undefined // a subquery of the statement: what it reads stands in other lines
  const where = /.* where (.*?)(?: order by | limit | returning |$)/i.exec(sql)?.[1] ?? ''
  const filtered = columns.map(({ name }) => name).filter((name) => new RegExp(`\\b${name}\\b`).test(where))
  const limited = / limit /i.test(sql)
  const [equal, range] = [/(\w+)=\?/g, /(\w+)[<>]\?/g].map((pattern) =>
    Array.from(constraint.matchAll(pattern), ([, name]) =>
      name === 'rowid' ? (columns.find(({ pk }) => pk)?.name ?? '') : (name ?? ''),
    ),
  ) as [string[], string[]]
  // The first or last row of an index: min() and max().
  if (verb === 'SEARCH' && constraint === '') return undefined
  if (verb === 'SEARCH' && uniqueKeys(db, table).some((key) => key.every((name) => equal.includes(name))))
    return undefined
  // The first few rows of a place in an index are as good, when none of them is passed by for something else.
  const used = [...equal, ...range, ...partialColumns(db, index)]
  if (limited && filtered.every((name) => used.includes(name))) return undefined
  return limited ? `${detail}, passing by rows for ${filtered.filter((name) => !used.includes(name))}` : detail
}

function uniqueKeys(db: Connection, table: string): string[][] {
  const primary = (db.pragma(`table_info(${table})`) as { name: string; pk: number }[])
    .filter(({ pk }) => pk > 0)
    .map(({ name }) => name)
  const indexes = (db.pragma(`index_list(${table})`) as { name: string; unique: number; partial: number }[])
    .filter(({ unique, partial }) => unique && !partial)
    .map(({ name }) => (db.pragma(`index_info(${name})`) as { name: string }[]).map((column) => column.name))
  return [primary, ...indexes]
}

/** What a partial index answers by being partial. */
function partialColumns(db: Connection, index: string | undefined): string[] {
  const sql = db
    .prepare('SELECT sql FROM sqlite_master WHERE name = ?')
    .pluck()
    .get(index ?? '') as string | undefined
  return [...(/ WHERE (.*)/.exec(sql ?? '')?.[1] ?? '').matchAll(/\w+/g)].map(([word]) => word)
}

const options = (dataDir: string) => ({ dataDir, platform: machine })

type Opening = [open: (dataDir: string) => Promise<{ close(): Promise<void> }>, atLeast: number]

/** Opened, with what is asked for once at start and not prepared before; and how many statements there are at least. */
const services: Record<ServiceName, Opening> = {
  'orders-service': [
    async (dataDir) => {
      const store = openOrdersStore(options(dataDir))
      await store.write((tx) => tx.deployment.currency('RUB'))
      return store
    },
    61,
  ],
  'payments-service': [
    async (dataDir) => {
      const store = openPaymentsStore(options(dataDir))
      await store.write((tx) => tx.deployment.currency('RUB'))
      return store
    },
    60,
  ],
  'notifications-service': [async (dataDir) => openNotificationsStore(options(dataDir)), 57],
}

t.test('no statement of a service walks through a growing table', async (t) => {
  const unused = new Set(ALLOWED)
  for (const [name, [open, atLeast]] of Object.entries(services)) {
    const { dataDir, remove } = temporaryFolder()
    const { store, statements } = await prepared(() => open(dataDir))
    t.ok(statements.length >= atLeast, `${name}: all statements were seen, ${statements.length}`)
    const refused = statements.flatMap((statement) => {
      const allowed = ALLOWED.find(([sql]) => matches(plain(statement.sql), sql))
      const reasons = refusals(statement)
      if (allowed && reasons.length > 0) unused.delete(allowed)
      return allowed || reasons.length === 0 ? [] : [{ sql: plain(statement.sql), reasons }]
    })
    t.strictSame(refused, [], name)
    await store.close()
    remove()
  }
  t.strictSame([...unused], [], 'every exception is needed')
})

t.test('what the check refuses, and what not', async (t) => {
  const { dataDir, remove } = temporaryFolder()
  const stores = [openOrdersStore(options(dataDir)), openNotificationsStore(options(dataDir))]
  const [orders, notifications] = ['orders', 'notifications'].map((name) => new Database(`${dataDir}/${name}.sqlite`))
  t.teardown(async () => {
    for (const db of [orders, notifications]) db?.close()
    for (const store of stores) await store.close()
    remove()
  })
  const bad: [db: Connection | undefined, sql: string][] = [
    [orders, 'SELECT count(*) FROM dead_letters'],
    [orders, 'SELECT count(*), min(created_at) FROM outbox WHERE id > ? AND id <= ?'],
    [orders, 'SELECT * FROM publications WHERE last_seq <= ? AND published_at <= ? ORDER BY last_id DESC LIMIT 1'],
    [orders, 'SELECT * FROM publications WHERE last_id >= ? AND first_id <= ? ORDER BY last_id LIMIT 1'],
    [orders, 'SELECT * FROM outbox WHERE id > ? AND type = ? ORDER BY id LIMIT 1'],
    [orders, 'SELECT * FROM orders WHERE user_id = ? ORDER BY amount LIMIT 10'],
    [orders, "SELECT * FROM orders WHERE user_id = ? AND description LIKE '%hat%' LIMIT 10"],
    [orders, 'DELETE FROM publications WHERE last_id <= ?'],
    [orders, 'DELETE FROM inbox'],
    [orders, 'UPDATE orders SET sweeps = 0'],
    [notifications, 'SELECT * FROM letters WHERE order_id = ? AND user_id = ?'],
    [notifications, "UPDATE letters SET to_address = 'x' WHERE user_id = ? AND to_address IS NULL"],
  ]
  for (const [db, sql] of bad) t.not(db && refusals({ db, sql }).length, 0, `refused: ${sql}`)
  const good: [db: Connection | undefined, sql: string][] = [
    [orders, 'SELECT max(id), (SELECT max(last_id) FROM publications) FROM outbox'],
    [orders, 'SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?'],
    [orders, 'SELECT * FROM orders WHERE user_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?'],
    [orders, "SELECT sweep_at FROM orders WHERE status = 'pending' ORDER BY sweep_at LIMIT 1"],
    [notifications, 'SELECT * FROM letters WHERE order_id = ? AND kind = ?'],
  ]
  for (const [db, sql] of good) t.strictSame(db && refusals({ db, sql }), [], `taken: ${sql}`)
})
