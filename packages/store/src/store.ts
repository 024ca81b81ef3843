/** A service's store: its database, its unit of work, its reads. All SQL of a service is behind it. */

import { join } from 'node:path'
import { type Part, services } from '@checkout/contracts/services.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Migration, Session } from './engine.ts'
import type { Store } from './port.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'
import { createUnitOfWork } from './unit-of-work.ts'

/** What every service's store is opened with. */
export interface StoreOptions {
  /** The folder of the SQLite files, unless there is a `databaseUrl`. */
  dataDir: string
  /** Of a PostgreSQL database; see postgres.ts. */
  databaseUrl?: string | undefined
  platform: Platform
}

/** Where the store of a service is: a file in the folder, or a schema in the database. */
export type Database = { readonly file: string } | { readonly url: string; readonly schema: string }

export const databaseOf = (part: Part, { dataDir, databaseUrl }: StoreOptions): Database =>
  databaseUrl === undefined ? { file: join(dataDir, services[part].file) } : { url: databaseUrl, schema: part }

/** SQLite's is open when this returns; PostgreSQL's when `opened` resolves, or whoever uses it first waits for it. */
export function openStore<Tx, Reads>(options: {
  database: Database
  migrations: readonly Migration[]
  writes: (writer: Session) => Tx
  reads: (reader: Session) => Reads
  platform: Platform
}): Store<Tx, Reads> {
  const { database, migrations, platform } = options
  const engine =
    'url' in database
      ? openPostgres({ ...database, migrations, platform })
      : openSqlite(database.file, migrations, platform)
  const unit = createUnitOfWork({ transactions: engine.transactions, tx: options.writes(engine.writer), platform })
  const read = options.reads(engine.reader)
  const listeners: (() => void)[] = []
  let seen: unknown
  let looking = false

  /** Another instance may have committed. */
  async function look(): Promise<void> {
    if (looking) return
    looking = true
    const answer = engine.version()
    const now = answer instanceof Promise ? await answer : answer
    looking = false
    if (now === undefined || now === seen) return
    const before = seen
    seen = now
    if (before !== undefined) for (const listener of listeners) listener()
  }
  void look()
  const others = platform.setInterval(() => void look(), engine.versionEveryMs)

  return {
    write: unit.write,
    read,
    opened: engine.open,
    onCommit(listener) {
      listeners.push(listener)
      unit.onCommit(listener)
    },
    usable: engine.usable,
    stats: unit.stats,
    async close() {
      platform.clearTimeout(others)
      await unit.close()
      await engine.close()
    },
  }
}
