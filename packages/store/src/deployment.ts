/**
 * What a file was made for: one system, and one currency. Amounts are meaningless without their currency, and events must
 * never be taken from, or given to, another system that shares the broker: a file that belongs elsewhere is not served.
 */
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isCurrency } from '@checkout/contracts/currencies.ts'
import { BAD_CONFIG } from '@checkout/kernel/exit-codes.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { SYSTEM_ID_PATTERN } from '@checkout/kernel/system-id.ts'
import { eq, isNull } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Migration, Session } from './engine.ts'
import type { DeploymentWrites, Work } from './port.ts'
import { DatabaseUnfit, databaseName, SYSTEM_TABLE, systemIdIn } from './postgres.ts'
import { queries } from './queries.ts'
import type { StoreOptions } from './store.ts'

/** The three services of one checkout have the same; two checkouts never do. */
export interface Deployment {
  /** Matches SYSTEM_ID_PATTERN. */
  readonly systemId: string
  /** ISO 4217. */
  readonly currency: string
}

/** In DATA_DIR, for the services that share it: the id of a system to which SYSTEM_ID gives none. */
export const SYSTEM_ID_FILE = 'system-id'

export const deploymentMigrations: readonly Migration[] = [
  {
    name: 'deployment/1',
    sql: `
      CREATE TABLE deployment (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        currency TEXT NOT NULL
      ) STRICT;`,
  },
  { name: 'deployment/2', sql: 'ALTER TABLE deployment ADD COLUMN system_id TEXT;' },
]

export const deployment = sqliteTable('deployment', {
  id: integer('id').primaryKey(),
  currency: text('currency').notNull(),
  systemId: text('system_id'),
})

export function deploymentWrites(writer: Session): DeploymentWrites {
  const db = queries(writer)
  const row = () => db.select().from(deployment).where(eq(deployment.id, 1)).get()
  return {
    async currency(currency) {
      await db.insert(deployment).values({ id: 1, currency }).onConflictDoNothing().run()
      return (await row())?.currency ?? currency
    },
    systemId: async () => (await row())?.systemId ?? undefined,
    async pin(systemId) {
      await db.update(deployment).set({ systemId }).where(isNull(deployment.systemId)).run()
      return (await row())?.systemId ?? systemId
    },
  }
}

const SQLITE_FOLDER = '.data'

/** For server.ts: where the data is. Two places at once end the process with a message that says what to do. */
export function requireDatabase(config: { DATA_DIR?: string; DATABASE_URL?: string }): Omit<StoreOptions, 'platform'> {
  const { DATA_DIR: dataDir, DATABASE_URL: databaseUrl } = config
  if (dataDir !== undefined && databaseUrl !== undefined)
    exit('DATA_DIR and DATABASE_URL are both set: unset DATA_DIR to use PostgreSQL, or DATABASE_URL to use SQLite.')
  return databaseUrl === undefined ? { dataDir: dataDir ?? SQLITE_FOLDER } : { dataDir: '', databaseUrl }
}

/** For server.ts: a database that is not there, or cannot be used as it is, ends the process with one line. */
export async function requireOpened(store: { opened(): Promise<void> }): Promise<void> {
  try {
    await store.opened()
  } catch (error) {
    // One that is away may be back at the next start; one that is not fit will not be.
    exit((error as Error).message, error instanceof DatabaseUnfit ? BAD_CONFIG : 1)
  }
}

/**
 * For server.ts: whose file this is. One with another currency than CURRENCY, or of another system than SYSTEM_ID or
 * DATA_DIR/system-id says, ends the process with a message that says what to do.
 */
export async function requireDeployment(
  store: { write<T>(work: Work<{ deployment: DeploymentWrites }, T>): Promise<T> },
  config: { CURRENCY: string; DATA_DIR?: string; DATABASE_URL?: string; SYSTEM_ID?: string },
  platform: Platform,
): Promise<Deployment> {
  const { CURRENCY: currency, DATABASE_URL: databaseUrl } = config
  const dataDir = config.DATA_DIR ?? SQLITE_FOLDER
  const place = databaseUrl === undefined ? dataDir : databaseName(databaseUrl)
  const another = databaseUrl === undefined ? 'DATA_DIR to another folder' : 'DATABASE_URL to another database'
  const kept = await store.write((tx) => tx.deployment.currency(currency))
  if (kept !== currency) {
    const remedy = isCurrency(kept)
      ? `: set CURRENCY=${kept}, or ${another}`
      : `, which is no currency with a minor unit: set ${another}`
    exit(`CURRENCY is ${currency}, but the data in ${place} is in ${kept}${remedy}.`)
  }
  const pinned = await store.write((tx) => tx.deployment.systemId())
  const wanted =
    config.SYSTEM_ID ??
    (databaseUrl === undefined
      ? sharedSystemId(dataDir, pinned, platform)
      : await systemIdIn(databaseUrl, pinned ?? platform.newId()))
  const systemId = await store.write((tx) => tx.deployment.pin(wanted))
  if (systemId !== wanted) {
    const shared = databaseUrl === undefined ? join(dataDir, SYSTEM_ID_FILE) : `the table ${SYSTEM_TABLE} there`
    const said = config.SYSTEM_ID === undefined ? `${shared} says` : 'SYSTEM_ID is'
    exit(
      `${said} ${wanted}, but the data in ${place} belongs to the system ${systemId}: set SYSTEM_ID=${systemId}, or ${another}.`,
    )
  }
  return { systemId, currency }
}

/**
 * The id in the folder's file. Where there is none yet the first service makes it, of `known` or a new one; all that start
 * at the same time end with the same one, whoever dies on the way: the file appears at once and whole, or not at all.
 */
export function sharedSystemId(dataDir: string, known: string | undefined, { newId }: Platform): string {
  const file = join(dataDir, SYSTEM_ID_FILE)
  const found = readSystemId(file)
  if (found !== undefined) return found
  const fresh = known ?? newId()
  const draft = `${file}.${newId()}`
  writeFileSync(draft, `${fresh}\n`, { flush: true })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  syncFolder(dataDir)
  return readSystemId(file) ?? fresh
}

function readSystemId(file: string): string | undefined {
  let systemId: string
  try {
    systemId = readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (new RegExp(SYSTEM_ID_PATTERN).test(systemId)) return systemId
  return exit(`${file} does not hold the id of a system (${SYSTEM_ID_PATTERN}): put it back, or delete the file.`)
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

function exit(line: string, code = BAD_CONFIG): never {
  process.stderr.write(`${line}\n`)
  process.exit(code)
}
