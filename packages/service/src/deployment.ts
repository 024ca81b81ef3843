/**
 * What a file was made for. Amounts are meaningless without their currency, and a deployment has one: a file that holds
 * another's money must not be served under this one's.
 */
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

export type DeploymentWrites = ReturnType<typeof deploymentWrites>

export function deploymentWrites(writer: Connection) {
  const insert = writer.prepare('INSERT INTO deployment (id, currency) VALUES (1, ?) ON CONFLICT DO NOTHING')
  const select = writer.prepare('SELECT currency FROM deployment').pluck()
  return {
    /** The file's currency: this one when it has none yet. */
    currency(currency: string): string {
      insert.run(currency)
      return select.get() as string
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
  process.stderr.write(
    `CURRENCY is ${currency}, but the data in ${dataDir} is in ${kept}: set CURRENCY=${kept}, or DATA_DIR to another folder.\n`,
  )
  process.exit(BAD_CONFIG)
}
