/**
 * What a file was made for. Amounts are meaningless without their currency, and a deployment has one: a file that holds
 * another's money must not be served under this one's.
 */
import { isCurrency } from '@checkout/contracts/currencies.ts'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { BAD_CONFIG } from './exit-codes.ts'
import type { Connection, Migration } from './sqlite.ts'

export const deploymentMigrations: readonly Migration[] = [
  {
    name: 'deployment/1',
    sql: `
      CREATE TABLE deployment (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        currency TEXT NOT NULL
      ) STRICT;`,
  },
]

export const deployment = sqliteTable('deployment', {
  id: integer('id').primaryKey(),
  currency: text('currency').notNull(),
})

export type DeploymentWrites = ReturnType<typeof deploymentWrites>

export function deploymentWrites(writer: Connection) {
  const db = drizzle(writer)
  return {
    /** The file's currency: this one when it has none yet. Asked for once, at start. */
    currency(currency: string): string {
      db.insert(deployment).values({ id: 1, currency }).onConflictDoNothing().run()
      return db.select().from(deployment).get()?.currency ?? currency
    },
  }
}

/** For server.ts: a file with another currency than CURRENCY ends the process with a message that says what to do. */
export async function requireCurrency(
  store: { write<T>(work: (tx: { deployment: DeploymentWrites }) => T): Promise<T> },
  { currency, dataDir }: { currency: string; dataDir: string },
): Promise<void> {
  const kept = await store.write((tx) => tx.deployment.currency(currency))
  if (kept === currency) return
  const remedy = isCurrency(kept)
    ? `: set CURRENCY=${kept}, or DATA_DIR to another folder`
    : `, which is no currency with a minor unit: set DATA_DIR to another folder`
  process.stderr.write(`CURRENCY is ${currency}, but the data in ${dataDir} is in ${kept}${remedy}.\n`)
  process.exit(BAD_CONFIG)
}
