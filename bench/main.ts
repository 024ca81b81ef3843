/**
 * `make bench`: what the running system does per second and how soon, its memory and CPU, this machine's limits
 * beside it, and at the end whether every order, letter and kopeck is right. What each number means is said in
 * cell.ts, the soak in soak.ts. Exit code 1 when something is wrong (or, in a soak, keeps growing), 2 when it could
 * not be measured.
 */
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { adminUrl } from '../scripts/own-broker.ts'
import { measureBeside } from './beside.ts'
import { type Cell, measureCell, medianCell } from './cell.ts'
import { type Api, openApi } from './http.ts'
import { type Limit, measureLimits } from './limits.ts'
import { postOrders } from './load.ts'
import { type Options, readOptions, usage } from './options.ts'
import { findProcesses, memory } from './processes.ts'
import { measurePush } from './push.ts'
import { auditAll } from './readback.ts'
import {
  besideTable,
  cellTable,
  type Memory,
  processTable,
  pushTable,
  type Result,
  refusals,
  socketTable,
  targets,
  verdict,
} from './report.ts'
import { type Soak, soak as soakFor } from './soak.ts'
import { measureSockets } from './sockets.ts'
import { count, progressLine, table } from './table.ts'
import { type BenchUser, createUsers } from './users.ts'

const WARM_UP_SECONDS = 3
const WARM_UP_CONNECTIONS = 16
/** Enough to keep the services busy while setting up and reading back. */
const API_CONNECTIONS = 32
/** Placed one at a time, for the time to the push. */
const PUSH_ORDERS = 200
const IDLE_SOCKETS = 2_000

const root = resolve(import.meta.dirname, '..')
const dataDir = resolve(root, process.env.DATA_DIR || '.data')
const natsUrl = process.env.NATS_URL || adminUrl(dataDir, 4222)
const progress = progressLine(process.stderr)

async function main(options: Options) {
  const print = options.json ? () => {} : (text: string) => console.log(text)
  const api = openApi(options.baseUrl, API_CONNECTIONS)
  await assertRunning(api, options.baseUrl)
  print(
    `${options.baseUrl} · ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'} · Node ${process.versions.node}\n`,
  )
  const [hot, ...many] = await createUsers(api, options.users + 1, progress.show)
  const users = [hot as BenchUser, ...many]
  progress.clear()

  const result = options.minutes
    ? await runSoak(options, api, many, print)
    : options.beside
      ? await runBeside(options, api, hot as BenchUser, print)
      : await runCells(options, api, [many, [hot as BenchUser]], print)
  const isTable = !options.minutes && !options.beside
  const memories = peaks()
  if (memories.length) print(`${processTable(memories, result.cells)}\n`)
  if (options.push && isTable) Object.assign(result, await runPush(options, api, print))
  const limits = options.limits && isTable ? await measureLimits(dataDir, natsUrl, progress.show) : []
  progress.clear()
  if (limits.length) print(`${limitTable(limits)}\n`)

  const audit = await auditAll(api, users, progress.show)
  progress.clear()
  await api.close()
  const lines = verdict(audit, result, users)
  // A soak at a chosen rate says nothing about speed.
  const aims = targets(options.rate ? { ...result, cells: [] } : result, memories)
  if (aims.length) print(`${aims.join('\n')}\n`)
  print(lines.map(({ good, text }) => `${good ? '✓' : '✗'} ${text}`).join('\n'))
  if (options.json)
    console.log(JSON.stringify({ options, ...result, processes: memories, limits, verdict: lines }, null, 2))
  if (lines.some((line) => !line.good)) process.exitCode = 1
}

async function assertRunning(api: Api, baseUrl: string) {
  await api.get('/status/orders').catch((error: Error & { code?: string }) => {
    if (error.code === 'ECONNREFUSED') throw new Error(`nothing listens at ${baseUrl}: start it with make run`)
    throw error
  })
}

type Print = (text: string) => void

/** How a cell is measured against the running system. */
function measuring({ baseUrl }: Options, api: Api) {
  return (name: string, users: BenchUser[], width: number, seconds: number): Promise<Cell> => {
    const crowd = `${users.length} user${users.length > 1 ? 's' : ''}`
    const show = (text: string) => progress.show(`${name}: ${crowd}, ${width} connections: ${text}`)
    const posting = (accepted: number, s: number) =>
      show(`${Math.round(s)} of ${seconds} s, ${accepted} accepted (${Math.round(accepted / s)}/s)`)
    const post = () => postOrders({ baseUrl, users, connections: width, seconds, progress: posting })
    return measureCell({ api, root, users, connections: width, post, progress: show })
  }
}

async function runBeside(options: Options, api: Api, hot: BenchUser, print: Print): Promise<Result> {
  const { seconds, beside: rounds } = options
  const connections = Math.max(...options.connections)
  const cell = measuring(options, api)
  await cell('warming up', [hot], WARM_UP_CONNECTIONS, WARM_UP_SECONDS)
  const system = () => cell('beside', [hot], connections, seconds)
  const beside = await measureBeside({ rounds, connections, seconds, dataDir, system, progress: progress.show })
  progress.clear()
  print(`${besideTable(beside)}\n`)
  return { cells: beside.system, unanswered: beside.system.reduce((sum, { unanswered }) => sum + unanswered, 0) }
}

async function runCells(options: Options, api: Api, crowds: BenchUser[][], print: Print): Promise<Result> {
  const { connections, rounds } = options
  const cell = measuring(options, api)
  let unanswered = 0
  for (const users of crowds) {
    unanswered += (await cell('warming up', users, WARM_UP_CONNECTIONS, WARM_UP_SECONDS)).unanswered
  }
  const plan = connections.flatMap((width) => crowds.map((users) => ({ users, width, measured: [] as Cell[] })))
  for (let round = 1; round <= rounds; round += 1) {
    for (const [i, { users, width, measured }] of plan.entries()) {
      const name = `round ${round} of ${rounds}, cell ${i + 1} of ${plan.length}`
      measured.push(await cell(name, users, width, options.seconds))
    }
  }
  progress.clear()
  const cells = plan.map(({ measured }) => medianCell(measured as [Cell, ...Cell[]]))
  print(`${cellTable(cells)}\n`)
  for (const line of refusals(cells)) print(line)
  return { cells, unanswered: cells.reduce((sum, { unanswered: more }) => sum + more, unanswered) }
}

async function runSoak(options: Options, api: Api, users: BenchUser[], print: Print): Promise<Result> {
  const { baseUrl, rate } = options
  const connections = Math.max(...options.connections)
  const load = { baseUrl, users, connections, seconds: options.minutes * 60, rate }
  const printLine = (text: string) => {
    progress.clear()
    print(text)
  }
  let soaked: Soak | undefined
  const post = async () => {
    const [posted, soak] = await soakFor({ api, root, dataDir, load, progress: progress.show, print: printLine })
    soaked = soak
    return posted
  }
  const cell = await measureCell({ api, root, users, connections, post, progress: progress.show })
  printLine(`\n${cellTable([cell])}\n`)
  for (const line of refusals([cell])) print(line)
  return { cells: [cell], unanswered: cell.unanswered, ...(soaked && { soak: soaked }) }
}

/** What cannot be measured here, such as the web UI of a system without one, is said and left out. */
async function runPush({ baseUrl }: Options, api: Api, print: Print): Promise<Pick<Result, 'push' | 'sockets'>> {
  const tried = async <T>(what: string, measured: Promise<T>) => {
    try {
      return await measured
    } catch (error) {
      progress.clear()
      print(`! ${what} not measured: ${error instanceof Error ? error.message : error}\n`)
      return undefined
    }
  }
  const show = progress.show
  const push = await tried('pushes', measurePush({ api, baseUrl, orders: PUSH_ORDERS, progress: show }))
  progress.clear()
  if (push) print(`${pushTable(push)}\n`)
  const sockets = await tried('idle WebSockets', measureSockets(IDLE_SOCKETS, show))
  progress.clear()
  if (sockets) print(`${socketTable(sockets)}\n`)
  return { ...(push && { push }), ...(sockets && { sockets }) }
}

const peaks = (): Memory[] =>
  findProcesses(root).map(({ pid, name }) => ({ pid, name, peakMiB: memory(pid)?.peakMiB ?? Number.NaN }))

const limitTable = (limits: readonly Limit[]) =>
  table(
    ["this machine's limits", 'per second'],
    limits.map(({ what, perSecond, why }) => [why ? `${what} (not measured: ${why})` : what, count(perSecond)]),
  )

try {
  if (process.argv.includes('--help')) console.log(usage)
  else await main(readOptions(process.argv.slice(2), process.env))
} catch (error) {
  progress.clear()
  console.error(`✗ ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
}
