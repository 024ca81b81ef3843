/** A private PostgreSQL server for a test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuard } from '@checkout/processes/guard.ts'
import { createManagedProcess, freshLog } from '@checkout/processes/managed-process.ts'
import { reservePorts, untilListening } from '@checkout/processes/ports.ts'
import { makeCluster, postgresCommand, postgresUrl } from '@checkout/processes/postgres.ts'
import pg from 'pg'
import { eventually } from './eventually.ts'

const START_WITHIN_MS = 30_000
const PASSWORD = 'test'

export interface TestPostgres {
  /** Such as postgres://checkout:test@127.0.0.1:15106/postgres; the same for all its lives. */
  readonly url: string
  readonly port: number
  readonly pid: number | undefined
  /** Starts it again; resolves when it takes connections. */
  start(): Promise<void>
  /** SIGKILL, of the postmaster alone: its backends notice. It stays down until `start`. */
  kill(): Promise<void>
  /** Runs SQL as the superuser. */
  query(sql: string): Promise<unknown[][]>
  /** Ends it, and deletes its files. */
  stop(): Promise<void>
}

export async function startPostgres(): Promise<TestPostgres> {
  const ports = await reservePorts()
  const port = ports.postgres
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const data = join(folder, 'data')
  const url = postgresUrl(port, PASSWORD)
  await makeCluster(data, PASSWORD)
  const guard = createGuard()
  const server = createManagedProcess({
    name: 'postgres',
    instance: 1,
    port,
    command: postgresCommand(data, port),
    env: process.env,
    cwd: folder,
    logFile: freshLog(folder, 'postgres'),
    guard,
  })
  server.restart = false
  async function query(sql: string): Promise<unknown[][]> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query({ text: sql, rowMode: 'array' })).rows
    } finally {
      await client.end()
    }
  }
  async function start() {
    server.start()
    await untilListening(port, AbortSignal.timeout(START_WITHIN_MS))
    await eventually(() => query('SELECT 1'), { what: 'PostgreSQL takes connections' })
  }
  async function stop() {
    server.kill('SIGINT')
    await server.terminate(5_000)
    await guard.close()
    await ports.release()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    port,
    get pid() {
      return server.pid
    },
    start,
    async kill() {
      server.kill('SIGKILL')
      await server.exited()
    },
    query,
    stop,
  }
}
