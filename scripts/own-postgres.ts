/** The PostgreSQL that `make run STORE=postgres` starts: a cluster in the data folder, with a password of its own. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { makeCluster, postgresCommand, postgresUrl } from '@checkout/processes/postgres.ts'

const FOLDER = 'postgres'
const PASSWORD_FILE = 'postgres-password.env'
const VARIABLE = 'POSTGRES_PASSWORD'

export interface OwnPostgres {
  readonly command: readonly [string, ...string[]]
  /** With user and password. Not to be printed. */
  readonly url: string
}

/**
 * Makes the cluster with the first start. @throws when there is no PostgreSQL for this machine, or it cannot be made
 * @param dataDir must be there
 */
export async function prepareOwnPostgres(
  port: number,
  dataDir: string,
  log: (line: string) => void,
): Promise<OwnPostgres> {
  const folder = join(dataDir, FOLDER)
  let password = readPassword(dataDir)
  // The password is kept before the cluster appears: one that nobody knows would be of no use.
  if (password === undefined || !existsSync(folder)) {
    password ??= randomBytes(16).toString('hex')
    writeFileSync(
      join(dataDir, PASSWORD_FILE),
      `# Of the PostgreSQL that make run starts.\n${VARIABLE}=${password}\n`,
      {
        mode: 0o600,
      },
    )
    log('making a PostgreSQL cluster')
    const draft = `${folder}.new`
    rmSync(draft, { recursive: true, force: true })
    await makeCluster(draft, password)
    renameSync(draft, folder)
  }
  return { command: postgresCommand(folder, port), url: postgresUrl(port, password) }
}

/** Where the password is kept, for people. */
export const passwordFile = (dataDir: string) => join(dataDir, PASSWORD_FILE)

function readPassword(dataDir: string): string | undefined {
  try {
    return parseEnv(readFileSync(passwordFile(dataDir), 'utf8'))[VARIABLE]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}
