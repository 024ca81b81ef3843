/**
 * PostgreSQL: a service's store as a schema of its own in a database that instances on several hosts share.
 *
 * All writes of a service take the same row first, the head, and hold it until COMMIT: so there is one writer at a time,
 * over all hosts, as on an SQLite file, and ids are given in the order of the commits, without gaps. It is an UPDATE, so that
 * a synchronously replicated database answers nothing that it could forget: neither is an advisory lock, nor a sequence.
 *
 * A COMMIT whose answer is lost is looked up: each transaction leaves a mark under its instance's name, and whoever holds
 * the head sees for certain whether it is there.
 */
import type { Platform } from '@checkout/kernel/platform.ts'
import type pg from 'pg'
import {
  type Engine,
  type Migration,
  OutcomeUnknown,
  type Session,
  type Statement,
  type Transactions,
} from './engine.ts'

/** A host that does not answer is given up. */
const CONNECT_MS = 3_000
/** No statement of ours takes nearly as long; a server that is silent for so long is taken for lost. */
const SILENT_MS = 10_000
/** How long one attempt to write waits for other writers; then it is seen whether somebody still wants it. */
const LOCK_MS = 250
/** A transaction whose instance stands still is ended by the server, so that it does not hold up all others. */
const IDLE_MS = 5_000
/** How long a lost COMMIT is looked up. */
const LOOK_UP_MS = 5_000
const RETRY_MS = 100
/** How soon a commit of another instance is noticed. */
const OTHERS_POLL_MS = 50

/** Trouble with the server or the way to it: certain that nothing was stored. A storage error. */
export class DatabaseUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE'
}

/** The database cannot be used as it is: an operator must change something. The message says what. */
export class DatabaseUnfit extends Error {}

export interface PostgresOptions {
  /** postgres://user:password@host:port,host:port/database; of several hosts the one that takes writes is used. */
  url: string
  /** Of the service's tables. */
  schema: string
  migrations: readonly Migration[]
  platform: Platform
}

/** Connects when it is used; `open` throws DatabaseUnfit, DatabaseUnavailable. */
export function openPostgres({ url, schema, migrations, platform }: PostgresOptions): Engine {
  const instance = platform.newId()
  let opened: Promise<void> | undefined
  const open = () => {
    opened ??= migrate(url, schema, migrations, platform).catch((error) => {
      opened = undefined
      throw error
    })
    return opened
  }
  const writer = createLink(url, schema, open)
  const reader = createLink(url, schema, open)
  const { session, transactions } = createTransactions(writer, instance, platform)
  const reads = createReader(reader)
  const number = reads.prepare('SELECT number FROM store_head')
  const version = async () => {
    try {
      return (await number.get([]))?.[0]
    } catch {
      return undefined
    }
  }
  return {
    writer: session,
    reader: reads,
    transactions,
    open,
    versionEveryMs: OTHERS_POLL_MS,
    version,
    usable: async () => (await version()) !== undefined,
    async close() {
      await Promise.all([writer.close(), reader.close()])
    },
  }
}

/** A connection that is made when it is needed, and made anew after it was lost. */
interface Link {
  /** @throws DatabaseUnavailable, DatabaseUnfit */
  client(): Promise<pg.Client>
  /** Gives it up: nothing that it says counts any more. */
  drop(): void
  close(): Promise<void>
}

function createLink(url: string, schema: string, opened: () => Promise<void>): Link {
  let client: pg.Client | undefined
  let connecting: Promise<pg.Client> | undefined
  let closed = false

  async function make(): Promise<pg.Client> {
    await opened()
    const fresh = await connect(url, schema)
    const gone = () => {
      if (client === fresh) client = undefined
    }
    fresh.on('end', gone)
    fresh.on('error', gone)
    if (closed) {
      await fresh.end()
      throw new DatabaseUnavailable('the store is closed')
    }
    client = fresh
    return fresh
  }

  return {
    async client() {
      if (closed) throw new DatabaseUnavailable('the store is closed')
      if (client) return client
      connecting ??= make().finally(() => {
        connecting = undefined
      })
      return connecting
    },
    drop() {
      const lost = client
      client = undefined
      destroy(lost)
    },
    async close() {
      closed = true
      await connecting?.catch(() => undefined)
      await client?.end().catch(() => undefined)
    },
  }
}

/** Without a goodbye: the server may not be there to hear it. */
function destroy(client: pg.Client | undefined): void {
  ;(client as unknown as { connection: { stream: { destroy(): void } } } | undefined)?.connection.stream.destroy()
}

/** @throws DatabaseUnfit, DatabaseUnavailable */
async function connect(url: string, schema: string): Promise<pg.Client> {
  let problem: unknown
  for (const target of targets(url)) {
    const client = await newClient(target)
    try {
      await client.connect()
      await prepareSession(client, schema)
      return client
    } catch (error) {
      destroy(client)
      if (error instanceof DatabaseUnfit) throw error
      problem = error
    }
  }
  const { message, code } = problem as { message?: string; code?: unknown }
  const why = `${databaseName(url)}: ${message || code}`
  // Trying again cannot help.
  if (typeof code === 'string' && /^28/.test(code))
    throw new DatabaseUnfit(`${why}. Correct the user or the password in DATABASE_URL.`)
  if (code === '3D000') throw new DatabaseUnfit(`${why}. Create it, or correct DATABASE_URL.`)
  throw new DatabaseUnavailable(`${why}. Start PostgreSQL there, or correct DATABASE_URL.`, { cause: problem })
}

/** One URL per host. */
export function targets(url: string): string[] {
  const [, before = '', hosts = '', after = ''] = /^(postgres(?:ql)?:\/\/(?:[^@/]*@)?)([^/]*)(.*)$/.exec(url) ?? []
  return hosts.split(',').map((host) => `${before}${host}${after}`)
}

async function newClient(connectionString: string): Promise<pg.Client> {
  // Only where it is needed: loading it takes as long as a tenth of a service's start.
  const { default: driver } = await import('pg')
  const client = new driver.Client({
    connectionString,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SILENT_MS,
    application_name: 'checkout',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        numeric(oid) ?? driver.types.getTypeParser(oid, format as 'text'),
    },
  } as pg.ClientConfig)
  client.on('error', () => {}) // whoever has asked it for something is told
  return client
}

/** bigint and sums of it: whatever is stored here is a safe integer. */
const numeric = (oid: number) => (oid === 20 || oid === 1700 ? Number : undefined)

async function prepareSession(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query({
    text: `SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_setting('fsync'),
      current_setting('synchronous_commit'), current_setting('full_page_writes'), current_setting('server_version_num')`,
    rowMode: 'array',
  })
  const [recovering, readOnly, fsync, synchronous, fullPages, version] = rows[0] as [boolean, ...string[]]
  if (recovering || readOnly === 'on') throw new DatabaseUnavailable('it takes no writes')
  if (Number(version) < 150_000)
    throw new DatabaseUnfit('DATABASE_URL names a PostgreSQL older than 15: use a newer one.')
  const losing = Object.entries({ fsync, synchronous_commit: synchronous, full_page_writes: fullPages })
    .filter(([, value]) => value === 'off')
    .map(([name]) => `${name} = off`)
  if (losing.length > 0)
    throw new DatabaseUnfit(`PostgreSQL runs with ${losing.join(', ')}, which loses what was answered: switch it on.`)
  await client.query(`SET search_path = "${schema}"; SET lock_timeout = ${LOCK_MS};
    SET idle_in_transaction_session_timeout = ${IDLE_MS};
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3`)
}

/** Errors of the way to the server carry no code, or one of Node's. */
function asStorageError(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: string }
  if (error instanceof DatabaseUnavailable || error instanceof DatabaseUnfit) return error
  if (typeof code === 'string' && SQLSTATE.test(code)) return error
  return new DatabaseUnavailable(message || 'the connection was lost', { cause: error })
}
const SQLSTATE = /^[0-9A-Z]{5}$/
/** With these the server ends the session. */
const GONE = /^(08|57P0|25P0[34])/

let statements = 0

/** Its number of rows is known before it is answered: one, or an error. */
const PLAIN_INSERT = /^insert into (?!.*\b(?:on conflict|returning|select)\b)/is

/**
 * A statement that is parsed once per connection.
 * @param promise runs what need not be waited for: its error is there when the callback ends
 */
function statementFor(
  sql: string,
  run: (query: pg.QueryArrayConfig) => Promise<pg.QueryArrayResult>,
  promise?: (query: pg.QueryArrayConfig) => void,
): Statement {
  let n = 0
  const text = sql.replace(/\?/g, () => `$${++n}`)
  const name = `s${++statements}`
  const bound = (values: readonly unknown[]) => ({ name, text, values: values as unknown[], rowMode: 'array' as const })
  const query = (values: readonly unknown[]) => run(bound(values))
  return {
    run:
      promise && PLAIN_INSERT.test(sql)
        ? async (values) => {
            promise(bound(values))
            return { changes: 1 }
          }
        : async (values) => ({ changes: (await query(values)).rowCount ?? 0 }),
    get: async (values) => (await query(values)).rows[0],
    all: async (values) => (await query(values)).rows,
  }
}

function createReader(link: Link): Session {
  return {
    engine: 'postgres',
    nextId() {
      throw new Error('a reader writes nothing')
    },
    prepare: (sql) =>
      statementFor(sql, async (query) => {
        try {
          return await (await link.client()).query(query)
        } catch (error) {
          throw asStorageError(error)
        }
      }),
  }
}

/** What a transaction has taken from the head: its own number, and the newest id of each table that counts its rows. */
interface Head {
  readonly client: pg.Client
  readonly number: number
  ids: Record<string, number>
  changed: boolean
  /** The ids when the present member began. */
  atSavepoint: Record<string, number>
}

function createTransactions(link: Link, instance: string, platform: Platform) {
  let head: Head | undefined
  /** Of the callback that runs now: statements that are not answered. */
  let outstanding = 0
  /** Of the callback that runs now: inserts that it does not wait for, and the first error of one. */
  let promised: Promise<unknown>[] = []
  let broken: { readonly error: unknown } | undefined
  /** Looks whether the callback that runs now awaits something else. */
  let look: (() => void) | undefined

  /** For what is sent without waiting for its answer: if it fails, so does what follows it. */
  const unawaited = (answer: Promise<unknown>) => void answer.catch(() => undefined)

  async function send(config: pg.QueryArrayConfig | string): Promise<pg.QueryArrayResult> {
    if (!head) throw new DatabaseUnavailable('the transaction is gone')
    try {
      return await head.client.query(config as pg.QueryArrayConfig)
    } catch (error) {
      const trouble = asStorageError(error)
      if (trouble !== error || GONE.test(String((error as { code?: unknown }).code))) {
        head = undefined
        link.drop()
      }
      throw trouble
    }
  }

  /** A statement of the callback that runs now. */
  async function query(config: pg.QueryArrayConfig): Promise<pg.QueryArrayResult> {
    outstanding += 1
    try {
      return await send(config)
    } finally {
      outstanding -= 1
      if (look) platform.nextTick(look)
    }
  }

  const session: Session = {
    engine: 'postgres',
    nextId(table) {
      if (!head) throw new DatabaseUnavailable('the transaction is gone')
      const id = (head.ids[table] ?? 0) + 1
      head.ids = { ...head.ids, [table]: id }
      head.changed = true
      return id
    },
    prepare: (sql) =>
      statementFor(sql, query, (config) => {
        const answer = send(config).catch((error) => {
          broken ??= { error }
        })
        promised.push(answer)
        if (look) platform.nextTick(look)
      }),
  }

  /** Whether the transaction with this number of this instance is stored. @throws OutcomeUnknown */
  async function isStored(number: number): Promise<boolean> {
    link.drop()
    for (const end = platform.monotonic() + LOOK_UP_MS; platform.monotonic() < end; ) {
      try {
        const client = await link.client()
        unawaited(client.query('BEGIN'))
        // Waits for the lost transaction, if the server still has it.
        await client.query('UPDATE store_head SET number = number')
        const { rows } = await client.query({
          text: 'SELECT number FROM store_marks WHERE instance = $1',
          values: [instance],
          rowMode: 'array',
        })
        // Answered: what was seen is as durable as this.
        await client.query('COMMIT')
        return (rows[0]?.[0] as number | undefined) === number
      } catch (error) {
        link.drop()
        if (error instanceof DatabaseUnfit) break
        await platform.sleep(RETRY_MS)
      }
    }
    throw new OutcomeUnknown('the database did not say whether it has stored the write')
  }

  const transactions: Transactions = {
    async begin() {
      const client = await link.client().catch((error) => {
        throw asStorageError(error)
      })
      unawaited(client.query('BEGIN'))
      try {
        const { rows } = await client.query({
          name: 'head',
          text: 'UPDATE store_head SET number = number + 1 RETURNING number, ids',
          values: [],
          rowMode: 'array',
        })
        const [number, ids] = rows[0] as [number, string]
        const parsed = JSON.parse(ids) as Record<string, number>
        head = { client, number, ids: parsed, changed: false, atSavepoint: parsed }
      } catch (error) {
        unawaited(client.query('ROLLBACK'))
        throw asStorageError(error)
      }
    },
    open: () => head !== undefined,
    savepoint() {
      if (!head) throw new DatabaseUnavailable('the transaction is gone')
      head.atSavepoint = head.ids
      unawaited(send('SAVEPOINT member'))
    },
    release: () => unawaited(send('RELEASE member')),
    undo() {
      if (head) head.ids = head.atSavepoint
      unawaited(send('ROLLBACK TO member'))
    },
    async commit() {
      if (!head) throw new DatabaseUnavailable('the transaction is gone')
      const { client, number, ids, changed } = head
      if (changed)
        unawaited(send({ text: 'UPDATE store_head SET ids = $1', values: [JSON.stringify(ids)], rowMode: 'array' }))
      unawaited(
        send({
          name: 'mark',
          text: 'INSERT INTO store_marks VALUES ($1, $2) ON CONFLICT (instance) DO UPDATE SET number = excluded.number',
          values: [instance, number],
          rowMode: 'array',
        }),
      )
      // A synchronously replicated server that is told not to wait for its standbys says COMMIT, and this.
      let warned = false
      const onNotice = ({ code }: { code?: string | undefined }) => {
        warned ||= code === '01000'
      }
      client.on('notice', onNotice)
      try {
        const end = await send('COMMIT').then(
          ({ command }) => (command !== 'COMMIT' ? 'refused' : warned ? 'unclear' : 'stored'),
          (error: { code?: unknown }) => (/^(23|40)/.test(String(error.code)) ? 'refused' : 'unclear'),
        )
        head = undefined
        if (end === 'refused' || (end === 'unclear' && !(await isStored(number))))
          throw new DatabaseUnavailable('the transaction was not stored')
      } finally {
        client.off('notice', onNotice)
      }
    },
    rollback() {
      unawaited(send('ROLLBACK'))
      head = undefined
    },
    async watch(work) {
      let overran = false
      let ended = false
      look = () => {
        // Whoever had its answer has gone on meanwhile: to the next statement, to its end, or to something else.
        overran ||= !ended && outstanding === 0
      }
      platform.nextTick(look)
      promised = []
      broken = undefined
      let end: { value: Awaited<ReturnType<typeof work>> } | { error: unknown }
      try {
        end = { value: await work() }
      } catch (error) {
        end = { error }
      }
      ended = true
      look = undefined
      await Promise.all(promised)
      // The first one: what comes after it only says that the transaction is aborted.
      return { overran, ...(broken ?? end) }
    },
  }
  return { session, transactions }
}

/** Beside the services' schemas: the system that all of them belong to. */
export const SYSTEM_TABLE = 'checkout.system'

/** The database without its password, for people. */
export const databaseName = (url: string): string => url.replace(/\/\/[^@/]*@/, '//').replace(/\?.*$/, '')

/** The id in the database; the first service that asks makes it, of `fresh`. @throws DatabaseUnfit, DatabaseUnavailable */
export async function systemIdIn(url: string, fresh: string): Promise<string> {
  const client = await connect(url, 'checkout')
  try {
    await ofTwoOne(() =>
      client.query(`CREATE SCHEMA IF NOT EXISTS checkout;
        CREATE TABLE IF NOT EXISTS ${SYSTEM_TABLE} (id BIGINT PRIMARY KEY CHECK (id = 1), system_id TEXT NOT NULL)`),
    )
    await client.query(`INSERT INTO ${SYSTEM_TABLE} VALUES (1, $1) ON CONFLICT DO NOTHING`, [fresh])
    const { rows } = await client.query<{ system_id: string }>(`SELECT system_id FROM ${SYSTEM_TABLE}`)
    return rows[0]?.system_id ?? fresh
  } catch (error) {
    throw asStorageError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Instances may start at the same moment: who loses finds what the other one has made. */
async function ofTwoOne(make: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await make()
      return
    } catch (error) {
      // Unique keys of the catalogue: somebody else was making the same.
      if ((error as { code?: string }).code !== '23505' || attempt > 10) throw error
    }
  }
}

/** Applies the migrations that the schema lacks. @throws DatabaseUnfit, DatabaseUnavailable */
async function migrate(url: string, schema: string, migrations: readonly Migration[], platform: Platform) {
  const client = await connect(url, schema)
  try {
    await ofTwoOne(() =>
      client.query(`
        CREATE SCHEMA IF NOT EXISTS "${schema}";
        CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL);
        CREATE TABLE IF NOT EXISTS store_head (id BIGINT PRIMARY KEY CHECK (id = 1), number BIGINT NOT NULL, ids TEXT NOT NULL);
        INSERT INTO store_head VALUES (1, 0, '{}') ON CONFLICT DO NOTHING;
        CREATE TABLE IF NOT EXISTS store_marks (instance TEXT PRIMARY KEY, number BIGINT NOT NULL)`),
    )
    await client.query('SET lock_timeout = 0; BEGIN; LOCK TABLE migrations IN EXCLUSIVE MODE')
    const { rows } = await client.query<{ name: string }>('SELECT name FROM migrations')
    const applied = new Set(rows.map(({ name }) => name))
    const known = new Set(migrations.map(({ name }) => name))
    const unknown = [...applied].filter((name) => !known.has(name))
    if (unknown.length > 0) {
      throw new DatabaseUnfit(`the schema ${schema} was written by a newer version (migrations ${unknown.join(', ')})`)
    }
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue
      await client.query(migration.postgres ?? postgresText(migration.sql))
      await client.query('INSERT INTO migrations VALUES ($1, $2)', [migration.name, platform.now()])
    }
    await client.query('COMMIT')
  } catch (error) {
    throw asStorageError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The same tables: what only SQLite has is left out, and its integers are as wide here. */
export const postgresText = (sqlite: string): string =>
  sqlite
    .replace(/\) (STRICT(, WITHOUT ROWID)?|WITHOUT ROWID)/g, ')')
    .replace(/\bINTEGER PRIMARY KEY AUTOINCREMENT\b/g, 'BIGINT PRIMARY KEY')
    .replace(/\bINTEGER\b/g, 'BIGINT')
    .replace(/\bBLOB\b/g, 'BYTEA')
