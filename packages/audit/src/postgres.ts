/**
 * The books in a PostgreSQL database: copied, as of one moment for all services, into SQLite files in a temporary folder,
 * and checked there by the same laws. Needs as much room on the disk as the rows take, and no more memory for a million
 * orders than for one. Reads only.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Part, parts, services } from '@checkout/contracts/services.ts'
import Database from 'better-sqlite3'
import pg from 'pg'
import { auditFiles } from './files.ts'
import type { Mistake } from './laws.ts'

/** The books of a database, or of a folder of SQLite files. @throws when they cannot be read */
export const auditBooks = async (
  { dataDir, databaseUrl }: { dataDir: string; databaseUrl?: string | undefined },
  shown?: readonly Part[],
): Promise<Mistake[]> =>
  databaseUrl === undefined ? [...auditFiles(dataDir, shown)] : auditPostgres(databaseUrl, shown)

/** What the laws are about. */
const tables: Readonly<Record<Part, readonly string[]>> = {
  orders: ['users', 'orders', 'outbox'],
  payments: ['accounts', 'decisions', 'transactions'],
  notifications: ['contacts', 'mailboxes', 'letters'],
}
const ROWS_AT_A_TIME = 5_000

/** @throws when the database cannot be read */
export async function auditPostgres(url: string, shown: readonly Part[] = parts): Promise<Mistake[]> {
  const folder = mkdtempSync(join(tmpdir(), 'books-'))
  const client = new pg.Client({
    connectionString: url,
    // Whatever is stored in a bigint here is a safe integer.
    types: { getTypeParser: (oid, format) => (oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text')) },
  })
  client.on('error', () => {}) // the query that is under way is told
  try {
    await client.connect()
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    for (const part of shown) await copy(client, part, join(folder, services[part].file))
    await client.query('COMMIT')
    return [...auditFiles(folder, shown)]
  } finally {
    await client.end().catch(() => undefined)
    rmSync(folder, { recursive: true })
  }
}

async function copy(client: pg.Client, part: Part, file: string): Promise<void> {
  const db = new Database(file)
  try {
    for (const table of tables[part]) await copyTable(client, db, part, table)
    const { rows } = await client.query<{ ids: string }>(`SELECT ids FROM "${part}".store_head`)
    const { outbox = 0 } = JSON.parse(rows[0]?.ids ?? '{}') as { outbox?: number }
    // Whether events were forgotten is seen by the newest id that there ever was.
    db.exec('CREATE TABLE IF NOT EXISTS numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)')
    db.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)").run(outbox)
  } finally {
    db.close()
  }
}

async function copyTable(client: pg.Client, db: Database.Database, schema: string, table: string): Promise<void> {
  const cursor = `books_${table}`
  await client.query(`DECLARE ${cursor} CURSOR FOR SELECT * FROM "${schema}"."${table}"`)
  const fetch = () => client.query({ text: `FETCH ${ROWS_AT_A_TIME} FROM ${cursor}`, rowMode: 'array' })
  let batch = await fetch()
  const columns = batch.fields.map(({ name }) => `"${name}"`)
  db.exec(`CREATE TABLE "${table}" (${columns})`)
  const insert = db.prepare(`INSERT INTO "${table}" VALUES (${columns.map(() => '?')})`)
  const store = db.transaction((rows: unknown[][]) => {
    for (const row of rows) insert.run(row)
  })
  for (; batch.rows.length > 0; batch = await fetch()) store(batch.rows)
  await client.query(`CLOSE ${cursor}`)
}
