/**
 * Where the stores of a test are, and what somebody else can do to them: SQLite files in a folder, or with STORE=postgres the
 * schemas of a database of their own. So that the same test runs on both.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import pg from 'pg'
import t from 'tap'
import { children, shared } from './children.ts'
import { startPostgres, type TestPostgres } from './postgres.ts'

export interface TestStores {
  /** For a service's open…Store. */
  readonly options: { readonly dataDir: string; readonly databaseUrl?: string }
  /** For openStore: a store of this name. */
  database(name: string): { readonly file: string } | { readonly url: string; readonly schema: string }
  /** Rows as another program would read them. */
  query<T>(name: string, sql: string): Promise<T[]>
  /** Changes them as another program would. */
  execute(name: string, sql: string): Promise<void>
  /** Keeps everybody from writing, as another program would, until the answer is called. */
  lock(name: string): Promise<() => Promise<void>>
  remove(): Promise<void>
}

export const onPostgres = process.env.STORE === 'postgres'

export const testStores = (): Promise<TestStores> => (onPostgres ? postgresStores() : sqliteStores())

async function sqliteStores(): Promise<TestStores> {
  const dataDir = mkdtempSync(join(tmpdir(), 'stores-'))
  const fileOf = (name: string) => join(dataDir, `${name}.sqlite`)
  const on = <T>(name: string, work: (db: Database.Database) => T): T => {
    const db = new Database(fileOf(name), { timeout: 5_000 })
    try {
      return work(db)
    } finally {
      db.close()
    }
  }
  return {
    options: { dataDir },
    database: (name) => ({ file: fileOf(name) }),
    query: async <T>(name: string, sql: string) => on(name, (db) => db.prepare(sql).all() as T[]),
    execute: async (name, sql) => on(name, (db) => void db.exec(sql)),
    async lock(name) {
      const db = new Database(fileOf(name), { timeout: 5_000 })
      db.exec('BEGIN IMMEDIATE')
      return async () => void db.close()
    },
    remove: async () => rmSync(dataDir, { recursive: true, force: true }),
  }
}

let server: Promise<TestPostgres> | undefined
let databases = 0

/** One server for all tests of this process; it ends with them. */
async function startShared(): Promise<TestPostgres> {
  const known = new Set(children().map(({ pid }) => pid))
  const started = await startPostgres()
  for (const { pid } of children()) if (!known.has(pid)) shared.add(pid)
  t.teardown(started.stop)
  return started
}

async function postgresStores(): Promise<TestStores> {
  server ??= startShared()
  const { url, query: asSuperuser } = await server
  const name = `test_${process.pid}_${++databases}`
  await asSuperuser(`CREATE DATABASE ${name}`)
  const databaseUrl = Object.assign(new URL(url), { pathname: `/${name}` }).href
  const connect = async (schema: string) => {
    const client = new pg.Client({
      connectionString: databaseUrl,
      types: { getTypeParser: (oid, format) => (oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text')) },
    })
    client.on('error', () => {})
    await client.connect()
    await client.query(`SET search_path = "${schema}"`)
    return client
  }
  const on = async <T>(schema: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = await connect(schema)
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  return {
    options: { dataDir: '', databaseUrl },
    database: (schema) => ({ url: databaseUrl, schema }),
    query: <T>(schema: string, sql: string) => on(schema, async (client) => (await client.query(sql)).rows as T[]),
    execute: (schema, sql) => on(schema, async (client) => void (await client.query(sql))),
    async lock(schema) {
      const client = await connect(schema)
      await client.query('BEGIN; UPDATE store_head SET number = number')
      return () => client.end()
    },
    remove: () => asSuperuser(`DROP DATABASE ${name} WITH (FORCE)`).then(() => undefined),
  }
}
