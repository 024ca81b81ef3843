/** A service's store on SQLite: its file, its unit of work, its reads. All SQL of a service is behind it. */
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Store } from './port.ts'
import { type Connection, type Migration, openSqlite } from './sqlite.ts'
import { createUnitOfWork } from './unit-of-work.ts'

/** How soon a commit of another instance on the same file is noticed. */
const OTHERS_POLL_MS = 20
/** A WAL larger than this is cut back actively; checkpoints that readers or writers got in the way of let it grow. */
const WAL_TRUNCATE_PAGES = 16_000
const WAL_CHECK_MS = 2_000

/** What every service's store is opened with. */
export interface StoreOptions {
  dataDir: string
  platform: Platform
}

export function openStore<Tx, Reads>(options: {
  file: string
  migrations: readonly Migration[]
  writes: (writer: Connection) => Tx
  reads: (reader: Connection) => Reads
  platform: Platform
}): Store<Tx, Reads> {
  const { platform } = options
  const { writer, reader, close } = openSqlite(options.file, options.migrations, platform)
  const unit = createUnitOfWork({ db: writer, tx: options.writes(writer), platform })
  const read = options.reads(reader)
  const dataVersion = reader.prepare('PRAGMA data_version').pluck()
  const alive = reader.prepare('SELECT 1 FROM migrations LIMIT 1')
  const listeners: (() => void)[] = []
  let version = dataVersion.get()

  const others = platform.setInterval(() => {
    const now = tryRead(() => dataVersion.get())
    if (now === undefined || now === version) return
    version = now
    for (const listener of listeners) listener()
  }, OTHERS_POLL_MS)
  const wal = platform.setInterval(() => boundWal(writer), WAL_CHECK_MS)

  return {
    write: unit.write,
    read,
    onCommit(listener) {
      listeners.push(listener)
      unit.onCommit(listener)
    },
    usable: async () => tryRead(() => alive.get()) !== undefined,
    stats: unit.stats,
    async close() {
      platform.clearTimeout(others)
      platform.clearTimeout(wal)
      await unit.close()
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
