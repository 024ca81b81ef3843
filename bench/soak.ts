/**
 * The soak: the heaviest load for many minutes, to see that nothing grows without end.
 *
 * Every 30 s it reads the memory of each process, the WAL files, the broker's folder and the outbox and inbox tables.
 * A gauge counts as growing when, within the last third of the run, its highest value of the second half exceeds that
 * of the first half by more than 5 % plus a floor. Highest, because memory and files go up and down like a saw.
 * Published outbox rows and stream messages are kept for 10 minutes by design, so those are judged only when the last
 * third begins later than that (`--minutes=18` or more). The SQLite files themselves grow with the orders in them:
 * they are shown and not judged.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Api } from './http.ts'
import { type Load, postOrders } from './load.ts'
import { findProcesses, memory } from './processes.ts'
import { backlog } from './readback.ts'
import type { BenchUser } from './users.ts'

const SAMPLE_SECONDS = 30
const GROWTH_ALLOWED = 0.05
/** How long rows and messages are kept after they were published, and the time that cleaning up may take. */
const RETENTION_MINUTES = 11
const MIB = 1024 * 1024

export interface Gauge {
  name: string
  unit: 'MiB' | 'rows'
  /** The least growth that counts, in the unit. */
  floor: number
  judged: 'always' | 'after retention' | 'never'
  /** One value per sample; null when it could not be read. */
  values: (number | null)[]
}

export interface Soak {
  load: Load
  sampleMinutes: number[]
  gauges: Gauge[]
  growing: string[]
  notJudged: string[]
}

export interface SoakOptions {
  api: Api
  baseUrl: string
  root: string
  dataDir: string
  users: readonly BenchUser[]
  connections: number
  minutes: number
  rate: number
  progress(text: string): void
  print(line: string): void
}

export async function soak({ api, root, dataDir, minutes, print, progress, ...options }: SoakOptions): Promise<Soak> {
  const gauges = new Map<string, Gauge>()
  const sampleMinutes: number[] = []
  const started = performance.now()
  let accepted = 0
  let acceptedBefore = 0
  const sample = async () => {
    const at = (performance.now() - started) / 60_000
    const speed = Math.round((accepted - acceptedBefore) / ((at - (sampleMinutes.at(-1) ?? 0)) * 60 || 1))
    acceptedBefore = accepted
    for (const { value, ...gauge } of readGauges(root, dataDir)) {
      const known = gauges.get(gauge.name) ?? { ...gauge, values: sampleMinutes.map(() => null) }
      known.values.push(value)
      gauges.set(gauge.name, known)
    }
    sampleMinutes.push(at)
    for (const { values } of gauges.values()) if (values.length < sampleMinutes.length) values.push(null)
    print(sampleLine(at, speed, await backlog(api), [...gauges.values()]))
  }
  await sample()
  const sampler = setInterval(() => void sample(), SAMPLE_SECONDS * 1_000)
  const load = await postOrders({
    ...options,
    seconds: minutes * 60,
    progress(count, seconds) {
      accepted = count
      progress(`soak: ${Math.round(seconds)} of ${minutes * 60} s, ${count} accepted`)
    },
  })
  clearInterval(sampler)
  return { load, sampleMinutes, gauges: [...gauges.values()], ...judge([...gauges.values()], sampleMinutes) }
}

const sampleLine = (at: number, speed: number, waiting: number | null, gauges: readonly Gauge[]) =>
  [
    `${at.toFixed(1)} min  ${speed} accepted/s  backlog ${waiting ?? '?'}`,
    ...gauges.map(({ name, unit, values }) => `${name} ${values.at(-1)?.toFixed(unit === 'MiB' ? 1 : 0) ?? '?'} ${unit}`),
  ].join(' · ')

/** Which gauges grow, by the rule at the top of this file, and which it cannot tell. */
export function judge(gauges: readonly Gauge[], sampleMinutes: readonly number[]) {
  const growing: string[] = []
  const notJudged: string[] = []
  const total = sampleMinutes.at(-1) ?? 0
  const from = (total * 2) / 3
  const middle = (total * 5) / 6
  for (const { name, unit, floor, judged, values } of gauges) {
    if (judged === 'never') continue
    const highest = (least: number, most: number) =>
      Math.max(...values.map((value, i) => (inside(sampleMinutes[i], least, most) ? (value ?? Number.NaN) : 0)))
    const [first, second] = [highest(from, middle), highest(middle, Number.POSITIVE_INFINITY)]
    if (judged === 'after retention' && from < RETENTION_MINUTES) notJudged.push(`${name} (kept for 10 minutes by design)`)
    else if (Number.isNaN(first + second) || sampleMinutes.length < 9) notJudged.push(`${name} (too few samples)`)
    else if (second > first * (1 + GROWTH_ALLOWED) + floor) {
      growing.push(`${name} grew from ${first.toFixed(1)} to ${second.toFixed(1)} ${unit} in the last third`)
    }
  }
  return { growing, notJudged }
}

const inside = (minute: number | undefined, least: number, most: number) =>
  minute !== undefined && minute >= least && minute < most

function readGauges(root: string, dataDir: string) {
  const memories = findProcesses(root).map(({ pid, name }) => ({
    name: `${name}[${pid}]`,
    unit: 'MiB' as const,
    floor: 16,
    judged: 'always' as const,
    value: memory(pid)?.nowMiB ?? null,
  }))
  const files = existsSync(dataDir) ? readdirSync(dataDir).filter((file) => file.endsWith('.sqlite')) : []
  const stores = files.flatMap((file) => {
    const path = join(dataDir, file)
    return [
      { name: file, unit: 'MiB' as const, floor: 0, judged: 'never' as const, value: sizeMiB(path) },
      { name: `${file}-wal`, unit: 'MiB' as const, floor: 8, judged: 'always' as const, value: sizeMiB(`${path}-wal`) },
      ...countRows(path).map(({ table, rows }) => ({
        name: `${file.replace('.sqlite', '')} ${table}`,
        unit: 'rows' as const,
        floor: 5_000,
        judged: 'after retention' as const,
        value: rows,
      })),
    ]
  })
  const nats = join(dataDir, 'nats')
  const streams = { name: 'nats files', unit: 'MiB' as const, floor: 32, judged: 'after retention' as const, value: sizeMiB(nats) }
  return [...memories, ...stores, ...(existsSync(nats) ? [streams] : [])]
}

/** Rows of the tables that must not grow for ever. Opens the file read-only for the moment of counting. */
function countRows(path: string): { table: string; rows: number }[] {
  try {
    const db = new Database(path, { readonly: true })
    try {
      const tables = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('outbox', 'inbox')`)
      return (tables.pluck().all() as string[]).map((table) => ({
        table,
        rows: db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number,
      }))
    } finally {
      db.close()
    }
  } catch {
    return []
  }
}

/** Size of a file or folder; 0 when there is none. */
function sizeMiB(path: string): number {
  try {
    const stat = statSync(path)
    if (!stat.isDirectory()) return stat.size / MIB
    return readdirSync(path).reduce((sum, name) => sum + sizeMiB(join(path, name)), 0)
  } catch {
    return 0
  }
}
