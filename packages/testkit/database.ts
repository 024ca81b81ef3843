/** A service's SQLite file seen from outside: what is in it, and trouble with it. */
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'

/** A new folder, and how to remove it. */
export function temporaryFolder(): { dataDir: string; remove(): void } {
  const dataDir = mkdtempSync(join(tmpdir(), 'checkout-'))
  return { dataDir, remove: () => rmSync(dataDir, { recursive: true, force: true }) }
}

const tableNames = (db: Database.Database) =>
  db
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .pluck()
    .all() as string[]

/** Every row of every table: equal before and after means that nothing changed. */
export function contents(file: string): Record<string, unknown[]> {
  const db = new Database(file, { readonly: true })
  try {
    return Object.fromEntries(tableNames(db).map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]))
  } finally {
    db.close()
  }
}

/** Runs SQL on the file as somebody else; for what must be refused, and for what time would do. */
export function execute(file: string, sql: string): void {
  const db = new Database(file)
  try {
    db.exec(sql)
  } finally {
    db.close()
  }
}

/** Holds the write lock of the file, as another program would, until the returned function is called. */
export function lock(file: string): () => void {
  const db = new Database(file)
  db.exec('BEGIN IMMEDIATE')
  return () => void db.close()
}

/** Overwrites the file with garbage, as a failing disk would: from now on even reads fail. */
export function spoil(file: string): void {
  const db = new Database(file)
  db.pragma('wal_checkpoint(TRUNCATE)')
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.alloc(fstatSync(fd).size, 0xee), 0)
  closeSync(fd)
  db.close()
}

/** The columns as the file has them: `name TYPE`, and whether NULL is allowed. */
export function columnsInFile(file: string): Record<string, string[]> {
  const db = new Database(file, { readonly: true })
  try {
    return Object.fromEntries(tableNames(db).map((name) => [name, columnsOf(db, name)]))
  } finally {
    db.close()
  }
}

function columnsOf(db: Database.Database, table: string): string[] {
  const rows = db.pragma(`table_info("${table}")`) as { name: string; type: string; notnull: 0 | 1; pk: number }[]
  // SQLite reports an INTEGER PRIMARY KEY as nullable, which it never is.
  return rows.map(({ name, type, notnull, pk }) => described(name, type, notnull === 1 || pk > 0)).sort()
}

/** What drizzle's getTableConfig says of a table. */
interface TableConfig {
  name: string
  columns: readonly { name: string; notNull: boolean; getSQLType(): string }[]
}

/** The columns as drizzle believes them to be. */
export const columnsInCode = (tables: readonly TableConfig[]): Record<string, string[]> =>
  Object.fromEntries(
    tables.map(({ name, columns }) => [name, columns.map((c) => described(c.name, c.getSQLType(), c.notNull)).sort()]),
  )

const described = (name: string, type: string, notNull: boolean) =>
  `${name} ${type.toUpperCase()}${notNull ? ' NOT NULL' : ''}`
