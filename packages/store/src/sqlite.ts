/**
 * One SQLite file: opened so that COMMIT means "on the disk", and brought to the newest schema.
 *
 * Two connections: all writes go through `writer` (the unit of work owns it), all reads and the relay through
 * `reader`, which therefore never sees an uncommitted row.
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Platform } from '@checkout/kernel/platform.ts'
import Database from 'better-sqlite3'
import type { Engine, Migration, Pulse, Session, Transactions } from './engine.ts'

export type Connection = Database.Database

export interface SqliteFile {
  readonly writer: Connection
  readonly reader: Connection
  close(): void
}

/** How long opening may wait for another instance that migrates the same file. */
const OPEN_BUSY_MS = 5_000
const OPEN_RETRY_MS = 5
/** A WAL file larger than this is cut back when it is reset; checkpoints start at a quarter of it. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024
/** How soon a commit of another instance on the same file is noticed. */
const OTHERS_POLL_MS = 20
/** A WAL larger than this is cut back actively; checkpoints that readers or writers got in the way of let it grow. */
const WAL_TRUNCATE_PAGES = 16_000
const WAL_CHECK_MS = 2_000

/** The file as a store's engine: open, or this throws; see openConnections. */
export function openSqlite(file: string, migrations: readonly Migration[], platform: Platform): Engine {
  const { writer, reader, close } = openConnections(file, migrations, platform)
  const wal = platform.setInterval(() => boundWal(writer), WAL_CHECK_MS)
  const dataVersion = reader.prepare('PRAGMA data_version').pluck()
  // The version alone is answered from what the connection remembers of the file.
  const alive = reader.prepare('SELECT 1 FROM migrations LIMIT 1')
  return {
    writer: sqliteSession(writer),
    reader: sqliteSession(reader),
    transactions: sqliteTransactions(writer, platform),
    open: async () => undefined,
    versionEveryMs: OTHERS_POLL_MS,
    version: () => tryRead(() => dataVersion.get()),
    usable: async () => tryRead(() => alive.get()) !== undefined,
    close() {
      platform.clearTimeout(wal)
      close()
    },
  }
}

/** The answer, or undefined when the file cannot be read just now. */
function tryRead<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * SQLite checkpoints by itself after commits, but starts the WAL over only when nobody reads it at that moment; with
 * several instances that may not come for long. Between two batches this connection holds nothing, so it can try.
 */
function boundWal(writer: Connection): void {
  if (writer.inTransaction) return
  try {
    const [state] = writer.pragma('wal_checkpoint(PASSIVE)') as { log: number }[]
    if (state && state.log > WAL_TRUNCATE_PAGES) writer.pragma('wal_checkpoint(TRUNCATE)')
  } catch {
    // Busy, or the disk is in trouble: the next round comes in two seconds, and writes report their own trouble.
  }
}

/**
 * Opens (creating it if needed) the file and applies the migrations that it lacks.
 * @throws when the file cannot be opened, is newer than this program, or does not take WAL with synchronous=FULL.
 */
export function openConnections(file: string, migrations: readonly Migration[], platform: Platform): SqliteFile {
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

export const sqliteSession = (connection: Connection): Session => ({
  engine: 'sqlite',
  prepare(sql) {
    const statement = connection.prepare<unknown[], unknown[]>(sql)
    return statement.reader ? statement.raw() : statement
  },
  nextId: () => null,
  pulse: pulseBeside(connection.name),
})

/** Not in the database, where a beat would be a page in the WAL, an fsync and a checkpoint, five times a second for ever. */
function pulseBeside(database: string): Pulse {
  /** Made by the first beat. Its content means nothing, only that it moves. */
  const file = `${database}-pulse`
  return {
    /** Never truncates: others would see that as a beat, and the system would write more. */
    beat(count) {
      try {
        const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT, 0o644)
        try {
          writeSync(fd, String(count % 1e8).padStart(8, '0'), 0)
        } finally {
          closeSync(fd)
        }
        return true
      } catch {
        return false
      }
    },
    /** Undefined when it cannot be seen just now (no file descriptor is left, say). */
    seen() {
      try {
        return readFileSync(file, 'latin1')
      } catch (error) {
        return (error as { code?: unknown }).code === 'ENOENT' ? '' : undefined
      }
    },
  }
}

export function sqliteTransactions(db: Connection, { nextTick }: Platform): Transactions {
  const begins = db.prepare('BEGIN IMMEDIATE')
  const commits = db.prepare('COMMIT')
  const rollsBack = db.prepare('ROLLBACK')
  const opens = db.prepare('SAVEPOINT member')
  const releases = db.prepare('RELEASE member')
  const undoes = db.prepare('ROLLBACK TO member')
  return {
    begin: () => void begins.run(),
    open: () => db.inTransaction,
    savepoint: () => void opens.run(),
    release: () => void releases.run(),
    undo: () => void undoes.run(),
    commit: () => void commits.run(),
    rollback: () => void rollsBack.run(),
    async watch(work) {
      // tx answers within the microtask queue, and the next tick comes when that has run dry: a callback that has not
      // ended by then awaits something else. (An immediate would come too late: timers and I/O may run before it.)
      let overran = false
      let ended = false
      nextTick(() => {
        overran = !ended
      })
      try {
        const value = await work()
        return { overran, value }
      } catch (error) {
        return { overran, error }
      } finally {
        ended = true
      }
    },
  }
}
