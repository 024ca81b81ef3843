/**
 * What must not grow without end: memory of each process, WAL files, the broker's folder, outbox and inbox tables.
 *
 * A gauge counts as growing when, within the last third of the run, its highest value of the second half exceeds that
 * of the first half by more than 5 % plus a floor. Highest, because memory and files go up and down like a saw.
 * Published outbox rows and stream messages, and what the inbox remembers, are kept for 10 minutes by design, so those
 * are judged only when the last third begins later than that (`--minutes=18` or more). The SQLite files themselves grow
 * with the orders in them: they are shown and not judged.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { findProcesses, memory } from './processes.ts'

const GROWTH_ALLOWED = 0.05
const SAMPLES_LEAST = 9
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

/** Which gauges grow, by the rule at the top of this file, and which it cannot tell. */
export function judge(gauges: readonly Gauge[], sampleMinutes: readonly number[]) {
  const growing: string[] = []
  const retained: string[] = []
  const tooFew: string[] = []
  const total = sampleMinutes.at(-1) ?? 0
  const from = (total * 2) / 3
  const middle = (total * 5) / 6
  for (const { name, unit, floor, judged, values } of gauges) {
    if (judged === 'never') continue
    const highest = (least: number, most: number) =>
      Math.max(...values.map((value, i) => (inside(sampleMinutes[i], least, most) ? (value ?? Number.NaN) : 0)))
    const [first, second] = [highest(from, middle), highest(middle, Number.POSITIVE_INFINITY)]
    if (judged === 'after retention' && from < RETENTION_MINUTES) retained.push(name)
    else if (Number.isNaN(first + second) || sampleMinutes.length < SAMPLES_LEAST) tooFew.push(name)
    else if (second > first * (1 + GROWTH_ALLOWED) + floor) {
      growing.push(`${name} grew from ${first.toFixed(1)} to ${second.toFixed(1)} ${unit} in the last third`)
    }
  }
  const notJudged = [
    ...(retained.length ? [`kept for 10 minutes by design, so use --minutes=18 or more: ${retained.join(', ')}`] : []),
    ...(tooFew.length ? [`too few samples: ${tooFew.join(', ')}`] : []),
  ]
  return { growing, notJudged }
}

const inside = (minute: number | undefined, least: number, most: number) =>
  minute !== undefined && minute >= least && minute < most

/** Reads all gauges once; none when neither processes nor files of this checkout are to be seen. */
export function readGauges(root: string, dataDir: string): (Omit<Gauge, 'values'> & { value: number | null })[] {
  const memories = findProcesses(root).map(({ pid, name }) => {
    return mib(`${name}[${pid}]`, 16, 'always', memory(pid)?.nowMiB ?? null)
  })
  const files = existsSync(dataDir) ? readdirSync(dataDir).filter((file) => file.endsWith('.sqlite')) : []
  const stores = files.flatMap((file) => {
    const path = join(dataDir, file)
    const rows = countRows(path).map(({ table, rows }) => ({
      name: `${file.replace('.sqlite', '')} ${table}`,
      unit: 'rows' as const,
      floor: 5_000,
      judged: 'after retention' as const,
      value: rows,
    }))
    return [mib(file, 0, 'never', sizeMiB(path)), mib(`${file}-wal`, 8, 'always', sizeMiB(`${path}-wal`)), ...rows]
  })
  const nats = join(dataDir, 'nats')
  return [
    ...memories,
    ...stores,
    ...(existsSync(nats) ? [mib('nats files', 32, 'after retention', sizeMiB(nats))] : []),
  ]
}

const mib = (name: string, floor: number, judged: Gauge['judged'], value: number | null) => {
  return { name, unit: 'MiB' as const, floor, judged, value }
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
