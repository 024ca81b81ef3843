/** The tables of a bench run, its targets and its verdict. */
import type { Beside } from './beside.ts'
import type { Cell } from './cell.ts'
import type { PushTimes } from './push.ts'
import type { Audit } from './readback.ts'
import type { Soak } from './soak.ts'
import type { SocketCost, SocketMemory } from './sockets.ts'
import { count, table } from './table.ts'
import type { BenchUser } from './users.ts'

/** How many wrong things of one kind are printed. */
const EXAMPLES = 5

export interface Result {
  cells: Cell[]
  /** Requests without an answer, the warm-up's included. */
  unanswered: number
  soak?: Soak
  push?: PushTimes
  sockets?: SocketMemory
}

export interface Memory {
  pid: number
  name: string
  peakMiB: number
}

export interface VerdictLine {
  good: boolean
  text: string
}

const sumOf = (cpuMs: Cell['cpuMs']): number => Object.values(cpuMs).reduce((sum, ms) => sum + ms, 0)

/** Of rounds in turn; the ratio is that of the medians. */
export const besideTable = ({ bare, system, ratio }: Beside): string =>
  `${table(
    ['round', 'bare settled/s', 'system settled/s', 'ratio', 'CPU ms/order'],
    system.map((cell, i) => [
      count(i + 1),
      count(bare[i] ?? Number.NaN),
      count(cell.settledPerSecond),
      count(cell.settledPerSecond / (bare[i] ?? Number.NaN), 2),
      count(sumOf(cell.cpuMs), 2),
    ]),
  )}\nthe system settles ${count(ratio, 2)} × what the bare pipeline does (medians of ${system.length} rounds)`

const crowd = (cell: Cell) => (cell.users === 1 ? 'hot user' : `${count(cell.users)} users`)

export const cellTable = (cells: readonly Cell[]) =>
  table(
    [
      'load',
      'conns',
      'accepted/s',
      'settled/s',
      'drain s',
      'order ms p50',
      'p95',
      'p99',
      'POST ms p50',
      'p99',
      'CPU ms/order',
    ],
    cells.map((cell) => [
      crowd(cell),
      count(cell.connections),
      count(cell.acceptedPerSecond),
      count(cell.settledPerSecond),
      count(cell.drainMs / 1_000, 1),
      count(cell.orderMs.p50),
      count(cell.orderMs.p95),
      count(cell.orderMs.p99),
      count(cell.postMs.p50, 1),
      count(cell.postMs.p99, 1),
      count(sumOf(cell.cpuMs), 2),
    ]),
  )

/** Peak memory per process, and the CPU that a settled order cost it in each cell (all instances of a service together). */
export function processTable(memories: readonly Memory[], cells: readonly Cell[]): string {
  const cpu = (name: string) => cells.map((cell) => count(cell.cpuMs[name], 2))
  const rows = memories.map(({ name, pid, peakMiB }, i) => [
    `${name} (${pid})`,
    count(peakMiB),
    ...(memories[i - 1]?.name === name ? cells.map(() => '″') : cpu(name)),
  ])
  const own = ['this load generator', count(process.resourceUsage().maxRSS / 1024), ...cpu('bench')]
  const names = cells.map((cell) => `${cell.users === 1 ? 'hot' : 'many'}×${cell.connections}`)
  const text = table(['process', 'peak MiB', ...names], [...rows, own])
  return cells.length ? `${text}\n(${names[0]} …: CPU ms per settled order)` : text
}

/** Answers other than 201, if any. */
export const refusals = (cells: readonly Cell[]): string[] =>
  cells
    .filter((cell) => cell.unanswered > 0 || Object.keys(cell.refused).length > 0)
    .map((cell) => {
      const refused = Object.entries(cell.refused).map(([status, times]) => `${status} × ${times}`)
      const all = [...refused, ...(cell.unanswered ? [`no answer × ${cell.unanswered}`] : [])]
      return `! ${crowd(cell)}, ${cell.connections} connections: not accepted: ${all.join(', ')}\n`
    })

export function pushTable({ orders, frameMs, toastMs, why }: PushTimes): string {
  const row = (what: string, ms: PushTimes['toastMs']) => [
    what,
    count(ms?.p50, 1),
    count(ms?.p95, 1),
    count(ms?.p99, 1),
  ]
  return table(
    [`${count(orders)} orders one at a time, idle system`, 'ms p50', 'p95', 'p99'],
    [
      row('POST → WebSocket frame, Node client', frameMs),
      row(`POST → toast in the page, Chromium${why ? ` (not measured: ${why})` : ''}`, toastMs),
    ],
  )
}

export function socketTable({ sockets, service, gateway }: SocketMemory): string {
  const row = (what: string, cost: SocketCost) => [
    what,
    count(cost.heapKiB, 1),
    count(cost.externalKiB, 1),
    count(cost.rssKiB, 1),
  ]
  return table(
    [`${count(sockets)} idle WebSockets, each`, 'heap KiB', 'external', 'resident'],
    [row('notifications-service', service), row('gateway', gateway)],
  )
}

/** The larger of what is counted and what the process grew by: freed pages may be used again, or not be given back. */
const kibOf = ({ heapKiB, externalKiB, rssKiB }: SocketCost) => Math.max(heapKiB + externalKiB, rssKiB)

/** The project's targets, for two cores with everything on them: told, not enforced. */
export function targets({ cells, push, sockets }: Result, memories: readonly Memory[]): string[] {
  const find = (many: boolean, connections: number) =>
    cells.find((cell) => cell.users > 1 === many && cell.connections === connections)
  const line = (good: boolean, text: string) => `${good ? '  reached' : '✗ missed '}  ${text}`
  const lines: string[] = []
  const [many, hot, single] = [find(true, 64), find(false, 64), find(true, 1)]
  if (many) {
    lines.push(
      line(many.settledPerSecond >= 1_000, `≥ 1,000 settled/s at 64 connections: ${count(many.settledPerSecond)}`),
    )
  }
  if (many && hot) {
    const ratio = hot.settledPerSecond / many.settledPerSecond
    lines.push(line(ratio >= 0.8, `the hot user ≥ 0.8 × the many at 64 connections: ${count(ratio, 2)}`))
  }
  if (single) {
    const { p50, p99 } = single.orderMs
    lines.push(
      line(p50 <= 15 && p99 <= 60, `at 1 connection p50 ≤ 15 ms and p99 ≤ 60 ms: ${count(p50)} and ${count(p99)}`),
    )
  }
  if (memories.length) {
    const most = memories.reduce((a, b) => (b.peakMiB > a.peakMiB ? b : a))
    lines.push(line(most.peakMiB <= 300, `no process above 300 MiB: ${most.name} ${count(most.peakMiB)} MiB`))
  }
  if (push?.toastMs) {
    const { p50, p95 } = push.toastMs
    const text = `POST → toast p50 ≤ 30 ms and p95 ≤ 100 ms: ${count(p50, 1)} and ${count(p95, 1)}`
    lines.push(line(p50 <= 30 && p95 <= 100, text))
  }
  if (sockets) {
    const kib = kibOf(sockets.service)
    lines.push(line(kib <= 30, `≤ 30 KiB per idle WebSocket in notifications-service: ${count(kib, 1)}`))
  }
  return lines.length ? ['Targets on 2 cores, load generator included (told, not enforced):', ...lines] : []
}

/** What decides the exit code: one line per kind of check, with examples of what is wrong. */
export function verdict(audit: Audit, result: Result, users: readonly BenchUser[]): VerdictLine[] {
  const accepted = users.reduce((sum, user) => sum + user.accepted.length, 0)
  const unasked = audit.orders - accepted
  const line = (wrong: readonly string[], text: string): VerdictLine => ({
    good: wrong.length === 0,
    text: wrong.length
      ? `${text}: ${wrong.length} wrong${wrong
          .slice(0, EXAMPLES)
          .map((w) => `\n    ${w}`)
          .join('')}`
      : text,
  })
  const lines = [
    line(
      audit.wrongOrders,
      `${count(accepted)} accepted orders: all settled, each with one letter of its kind; one debit, of its amount, per paid one`,
    ),
    line(
      unasked > result.unanswered
        ? [`${unasked} more orders than were accepted, ${result.unanswered} requests without an answer`]
        : [],
      'no order without a request',
    ),
    line(
      audit.wrongLedgers,
      `${count(audit.users)} balances = the sums of their ${count(audit.entries)} entries, none below zero`,
    ),
  ]
  if (accepted === 0) lines.push({ good: false, text: 'no order was accepted at all' })
  if (!result.soak) return lines
  const { growing, notJudged } = result.soak
  const unknown = notJudged.map((what) => `\n    not judged: ${what}`).join('')
  const growth = line(growing, 'nothing kept growing in the last third')
  return [...lines, { ...growth, text: growth.text + unknown }]
}
