/**
 * One SQLite file: opened so that COMMIT means "on the disk", and brought to the newest schema.
 *
 * Two connections: all writes go through `writer` (the unit of work owns it), all reads and the relay through
 * `reader`, which therefore never sees an uncommitted row.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Platform } from '@checkout/kernel/platform.ts'
import Database from 'better-sqlite3'

export type Connection = Database.Database

export interface SqliteFile {
  readonly writer: Connection
  readonly reader: Connection
  close(): void
}

export interface Migration {
  /** Unique and never changed once released, such as `orders/1`. */
  readonly name: string
  readonly sql: string
}

/** How long opening may wait for another instance that migrates the same file. */
const OPEN_BUSY_MS = 5_000
const OPEN_RETRY_MS = 5
/** A WAL file larger than this is cut back when it is reset; checkpoints start at a quarter of it. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024

/**
 * Opens (creating it if needed) the file and applies the migrations that it lacks.
 * @throws when the file cannot be opened, is newer than this program, or does not take WAL with synchronous=FULL.
 */
export function openSqlite(file: string, migrations: readonly Migration[], platform: Platform): SqliteFile {
  mkdirSync(dirname(file), { recursive: true })
  const writer = new Database(file, { timeout: OPEN_BUSY_MS })
  try {
    switchToWal(writer, platform)
    // better-sqlite3 turns a reopened WAL file to NORMAL, which loses acknowledged commits in a power cut.
    writer.pragma('synchronous = FULL')
    writer.pragma('foreign_keys = ON')
    // Without it INSERT OR REPLACE would delete without firing the triggers that forbid deleting.
    writer.pragma('recursive_triggers = ON')
    writer.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`)
    writer.pragma('wal_autocheckpoint = 4000')
    assertDurable(writer)
    migrate(writer, migrations, platform)
    // From here on a locked file must not block the event loop: the unit of work retries on a timer instead.
    writer.pragma('busy_timeout = 0')
    const reader = new Database(file, { readonly: true, timeout: 0 })
    return {
      writer,
      reader,
      close() {
        reader.close()
        writer.close()
      },
    }
  } catch (error) {
    writer.close()
    throw error
  }
}

/**
 * Retried here because SQLite answers BUSY at once, whatever the busy timeout, to a process that switches a file to WAL
 * while another one does the same. Blocks, as all of opening does, and only for the first moments of a new file.
 */
function switchToWal(db: Connection, { monotonic }: Platform): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  // Not a count of pauses: SQLite itself waits for as long again when somebody else holds the whole file.
  for (const end = monotonic() + OPEN_BUSY_MS; ; ) {
    try {
      db.pragma('journal_mode = WAL')
      return
    } catch (error) {
      const busy = (error as { code?: unknown }).code === 'SQLITE_BUSY'
      if (!busy || monotonic() > end) throw error
      Atomics.wait(pause, 0, 0, OPEN_RETRY_MS)
    }
  }
}

function assertDurable(db: Connection): void {
  const mode = db.pragma('journal_mode', { simple: true })
  const synchronous = db.pragma('synchronous', { simple: true })
  if (mode !== 'wal' || synchronous !== 2) {
    throw new Error(`SQLite must run with journal_mode=wal, synchronous=2 (FULL); got ${mode}, ${synchronous}`)
  }
}

function migrate(db: Connection, migrations: readonly Migration[], { now }: Platform): void {
  db.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT')
  db.exec('BEGIN IMMEDIATE')
  try {
    const applied = new Set(db.prepare('SELECT name FROM migrations').pluck().all() as string[])
    const known = new Set(migrations.map((m) => m.name))
    const unknown = [...applied].filter((name) => !known.has(name))
    if (unknown.length > 0) {
      throw new Error(`the file ${db.name} was written by a newer version (migrations ${unknown.join(', ')})`)
    }
    for (const { name, sql } of migrations) {
      if (applied.has(name)) continue
      db.exec(sql)
      db.prepare('INSERT INTO migrations (name, applied_at) VALUES (?, ?)').run(name, now())
    }
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}
