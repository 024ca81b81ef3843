/** A private nats-server for a test: a port of its own, a store that the test may kill, wipe, copy and swap. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuard } from '@checkout/processes/guard.ts'
import { createManagedProcess, freshLog } from '@checkout/processes/managed-process.ts'
import { findNatsServer } from '@checkout/processes/nats-server.ts'
import { reservePorts, untilListening } from '@checkout/processes/ports.ts'

const START_WITHIN_MS = 30_000

export interface TestNats {
  /** Such as nats://127.0.0.1:15106; the same for all its lives. */
  readonly url: string
  readonly port: number
  readonly storeDir: string
  readonly logFile: string
  /** undefined while it is down. */
  readonly pid: number | undefined
  /** Starts it again on the same port and store; resolves when it accepts connections. */
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. It stays down until `start`. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(): void
  resume(): void
  /** Deletes the store. Throws while the server runs. */
  wipeStore(): void
  /** Copies the store into a new folder and returns that. Throws while the server runs. */
  copyStore(): string
  /** Replaces the store by a copy of a folder that `copyStore` returned: what a lost tail looks like. */
  swapStore(from: string): void
  /** SIGTERM, and all its files deleted. */
  stop(): Promise<void>
}

/** The program of the tests: NATS_SERVER, else the first that is found. */
export const natsServerProgram = async () => process.env.NATS_SERVER || (await findNatsServer())

/** On loopback with JetStream, without users; the flags of 2.9, which all later versions know too. */
const natsCommand = (program: string, port: number, storeDir: string): readonly [string, ...string[]] => [
  program,
  '--addr',
  '127.0.0.1',
  '--port',
  `${port}`,
  '--jetstream',
  '--store_dir',
  storeDir,
]

/** @param within the folder that gets its files, for whoever cares which disk that is on */
export async function startNats(within = tmpdir()): Promise<TestNats> {
  const program = await natsServerProgram()
  const ports = await reservePorts()
  const folder = mkdtempSync(join(within, 'nats-'))
  const storeDir = join(folder, 'store')
  const guard = createGuard()
  let copies = 0
  const server = createManagedProcess({
    name: 'nats-server',
    instance: 1,
    port: ports.nats,
    command: natsCommand(program, ports.nats, storeDir),
    env: process.env,
    cwd: folder,
    logFile: freshLog(folder, 'nats-server'),
    guard,
  })
  server.restart = false
  const assertDown = (what: string) => {
    if (server.pid) throw new Error(`${what}: the nats-server runs; kill it first`)
  }
  async function start() {
    mkdirSync(storeDir, { recursive: true })
    server.start()
    await untilListening(ports.nats, AbortSignal.timeout(START_WITHIN_MS))
  }
  async function stop() {
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
    url: `nats://127.0.0.1:${ports.nats}`,
    port: ports.nats,
    storeDir,
    logFile: server.logFile,
    get pid() {
      return server.pid
    },
    start,
    async kill() {
      server.kill('SIGKILL')
      await server.exited()
    },
    pause: () => void server.pause(),
    resume: () => void server.resume(),
    wipeStore() {
      assertDown('wipeStore')
      rmSync(storeDir, { recursive: true, force: true })
    },
    copyStore() {
      assertDown('copyStore')
      const copy = join(folder, `copy-${++copies}`)
      cpSync(storeDir, copy, { recursive: true })
      return copy
    },
    swapStore(from) {
      assertDown('swapStore')
      rmSync(storeDir, { recursive: true, force: true })
      cpSync(from, storeDir, { recursive: true })
    },
    stop,
  }
}
