/**
 * The system beside the bare pipeline (bare/pipeline.ts), in turn, at the same load: one user, the most connections. Only the
 * ratio of the two says something, and only with nothing else running.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startNats } from '@checkout/testkit/nats.ts'
import { type Cell, percentiles } from './cell.ts'
import { pause } from './http.ts'
import { postOrders } from './load.ts'
import { newUser } from './users.ts'

const SETTLE_POLL_MS = 50
const SETTLE_WITHIN_MS = 60_000
const START_WITHIN_MS = 10_000

export interface Beside {
  /** Settled orders per second, round by round. */
  bare: number[]
  system: Cell[]
  /** Of the medians. */
  ratio: number
}

/** Measures bare, system, bare, system, … `rounds` times. `dataDir`: the bare files are on the same disk as the system's. */
export async function measureBeside(options: {
  rounds: number
  connections: number
  seconds: number
  dataDir: string
  system: () => Promise<Cell>
  progress(text: string): void
}): Promise<Beside> {
  const bare: number[] = []
  const system: Cell[] = []
  for (let round = 1; round <= options.rounds; round += 1) {
    options.progress(`round ${round} of ${options.rounds}: the bare pipeline, ${options.seconds} s`)
    bare.push(await bareSettledPerSecond(options))
    system.push(await options.system())
  }
  const median = (values: number[]) => percentiles(values).p50
  return { bare, system, ratio: median(system.map((cell) => cell.settledPerSecond)) / median(bare) }
}

async function bareSettledPerSecond({
  connections,
  seconds,
  dataDir,
}: {
  connections: number
  seconds: number
  dataDir: string
}) {
  const folder = mkdtempSync(join(dataDir, 'bare-'))
  const nats = await startNats(folder)
  const children: ChildProcess[] = []
  try {
    const start = async (name: string) => {
      const child = fork(join(import.meta.dirname, `bare/${name}.ts`), [folder, nats.url])
      children.push(child)
      const [ready] = (await once(child, 'message', { signal: AbortSignal.timeout(START_WITHIN_MS) })) as [
        { port: number },
      ]
      return { child, port: ready.port }
    }
    const orders = await start('orders') // which makes the streams
    await start('payments')
    const letters = await start('letters')
    const load = await postOrders({
      baseUrl: `http://127.0.0.1:${orders.port}`,
      users: [newUser('bare')],
      connections,
      seconds,
      progress() {},
    })
    const lastLetterAt = await untilWritten(letters.child, load.accepted)
    return (load.accepted / (lastLetterAt - load.firstPostAt)) * 1_000
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
    await nats.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** When the last of so many letters was written, ms since 1970. */
async function untilWritten(writer: ChildProcess, letters: number): Promise<number> {
  for (
    const deadline = performance.now() + SETTLE_WITHIN_MS;
    performance.now() < deadline;
    await pause(SETTLE_POLL_MS)
  ) {
    writer.send('how many?')
    const [written] = (await once(writer, 'message')) as [{ letters: number; at: number }]
    if (written.letters >= letters) return written.at
  }
  throw new Error(`the bare pipeline did not settle ${letters} orders`)
}
