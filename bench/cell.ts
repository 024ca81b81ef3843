/**
 * One cell of the table: a load, the wait until it is settled, and the reading back.
 *
 * - accepted/s: orders answered 201 ÷ the time from the first POST to the last answer.
 * - settled/s: settled orders (terminal, and their letter stored) ÷ the time from the first POST to the moment at
 *   which the last letter was stored. That moment is the letter's own `createdAt`, so that reading back costs nothing;
 *   everything that the load left behind counts, with the time it took. That each order really is at its end, with one
 *   letter, is checked at the end of the run, and fails it.
 * - order latency: `updatedAt − createdAt` of the order, by the services' clocks: until it is paid or failed.
 * - POST latency: what the client waits for the 201.
 * - drain: from the last answer to the last letter; it grows when orders are accepted faster than they settle.
 * - CPU: what all processes used from the first POST until all was settled, per settled order.
 */
import type { Api } from './http.ts'
import type { Load } from './load.ts'
import { cpuReading } from './processes.ts'
import { readSettled, type SettledOrder, waitForLast } from './readback.ts'
import type { BenchUser } from './users.ts'

export interface Percentiles {
  p50: number
  p95: number
  p99: number
}

export interface Cell {
  users: number
  connections: number
  accepted: number
  settled: number
  refused: Record<string, number>
  unanswered: number
  acceptedPerSecond: number
  settledPerSecond: number
  drainMs: number
  orderMs: Percentiles
  postMs: Percentiles
  /** CPU milliseconds per settled order, by process name. */
  cpuMs: Record<string, number>
}

export interface CellOptions {
  api: Api
  root: string
  users: readonly BenchUser[]
  connections: number
  /** Posts the orders. */
  post(): Promise<Load>
  progress(text: string): void
}

/** Measures one cell. Throws when the last order is not settled within three minutes after the load. */
export async function measureCell({ api, root, users, connections, post, progress }: CellOptions): Promise<Cell> {
  const before = cpuReading(root)
  const load = await post()
  await waitForLast(api, load, progress)
  const after = cpuReading(root)
  const settled = await readSettled(api, users, progress)
  const cpuMs = [...after].map(([name, s]) => [name, ((s - (before.get(name) ?? 0)) * 1_000) / settled.length])
  return {
    users: users.length,
    connections,
    accepted: load.accepted,
    settled: settled.length,
    refused: load.refused,
    unanswered: load.unanswered,
    ...speeds(load, settled),
    orderMs: percentiles(settled.map((order) => order.latencyMs)),
    postMs: percentiles(load.postMs),
    cpuMs: Object.fromEntries(cpuMs),
  }
}

function speeds(load: Load, settled: readonly SettledOrder[]) {
  // The clocks of client and services are one clock here; if they are not, the earlier beginning counts.
  const began = settled.reduce((least, order) => Math.min(least, order.createdAt), load.firstPostAt)
  const lastLetterAt = settled.reduce((most, order) => Math.max(most, order.letterAt), 0)
  return {
    acceptedPerSecond: (load.accepted / (load.lastAnswerAt - load.firstPostAt)) * 1_000,
    settledPerSecond: (settled.length / (lastLetterAt - began)) * 1_000,
    drainMs: Math.max(0, lastLetterAt - load.lastAnswerAt),
  }
}

/** By the nearest-rank method; NaN when there are no values. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (p: number) => sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN
  return { p50: at(50), p95: at(95), p99: at(99) }
}

/** The cell of the medians of several measurements of the same cell; counts are added up. */
export function medianCell(rounds: readonly [Cell, ...Cell[]]): Cell {
  const [first] = rounds
  const median = (value: (cell: Cell) => number) => percentiles(rounds.map(value)).p50
  const of = (ms: (cell: Cell) => Percentiles): Percentiles => ({
    p50: median((cell) => ms(cell).p50),
    p95: median((cell) => ms(cell).p95),
    p99: median((cell) => ms(cell).p99),
  })
  const refused: Record<string, number> = {}
  for (const cell of rounds) {
    for (const [status, count] of Object.entries(cell.refused)) refused[status] = (refused[status] ?? 0) + count
  }
  return {
    users: first.users,
    connections: first.connections,
    accepted: rounds.reduce((sum, cell) => sum + cell.accepted, 0),
    settled: rounds.reduce((sum, cell) => sum + cell.settled, 0),
    refused,
    unanswered: rounds.reduce((sum, cell) => sum + cell.unanswered, 0),
    acceptedPerSecond: median((cell) => cell.acceptedPerSecond),
    settledPerSecond: median((cell) => cell.settledPerSecond),
    drainMs: median((cell) => cell.drainMs),
    orderMs: of((cell) => cell.orderMs),
    postMs: of((cell) => cell.postMs),
    cpuMs: Object.fromEntries(Object.keys(first.cpuMs).map((name) => [name, median((cell) => cell.cpuMs[name] ?? 0)])),
  }
}
