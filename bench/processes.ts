/**
 * The processes of the system that runs from this checkout, and what they cost: read from /proc (man 5 proc), so on
 * Linux only; elsewhere, and when the system runs in containers, there are none to be seen.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, resolve } from 'node:path'

export interface Process {
  pid: number
  /** The service's folder, `nats-server`, or `run` for the supervisor. */
  name: string
}

/** Finds them by command line and working directory: `node <service>/build/server.js`, scripts/run.ts, its nats-server. */
export function findProcesses(root: string): Process[] {
  return pids()
    .flatMap((pid) => {
      const name = nameOf(pid, root)
      return name ? [{ pid, name }] : []
    })
    .sort((a, b) => a.name.localeCompare(b.name) || a.pid - b.pid)
}

const pids = (): number[] => {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number)
  } catch {
    return []
  }
}

function nameOf(pid: number, root: string): string | null {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const cwd = readlinkSync(`/proc/${pid}/cwd`)
    const ours = cwd === root || cwd.startsWith(`${root}/`)
    if (basename(args[0] ?? '') === 'nats-server')
      return ours || args.some((a) => a.includes(root)) ? 'nats-server' : null
    if (!basename(args[0] ?? '').startsWith('node')) return null
    // The script is node's first argument that is not one of its own options.
    const script = args.slice(1).find((arg) => !arg.startsWith('-'))
    const path = script ? resolve(cwd, script) : ''
    if (path === `${root}/scripts/run.ts`) return 'run'
    const service = path.startsWith(`${root}/`)
      ? /^([a-z-]+)\/(?:build\/server\.js|src\/server\.ts)$/.exec(path.slice(root.length + 1))
      : null
    return service?.[1] ?? null
  } catch {
    return null // It ended meanwhile, or is not ours to look at.
  }
}

let ticks = 0
/** CPU seconds are counted in clock ticks, 100 per second on every Linux this runs on; `getconf` knows. */
const ticksPerSecond = () => {
  ticks ||= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks
}

/** CPU time used so far, user and system, in seconds; 0 when the process is gone. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Fields 14 and 15; counted after the name, which may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond()
  } catch {
    return 0
  }
}

/** Resident memory in MiB: now and at its peak; null when the process is gone. */
export function memory(pid: number): { nowMiB: number; peakMiB: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
    return { nowMiB: kib('VmRSS') / 1024, peakMiB: kib('VmHWM') / 1024 }
  } catch {
    return null
  }
}

/** CPU seconds used between two readings, by process name. */
export function cpuReading(root: string): Map<string, number> {
  const reading = new Map<string, number>()
  for (const { pid, name } of findProcesses(root)) reading.set(name, (reading.get(name) ?? 0) + cpuSeconds(pid))
  const own = process.cpuUsage()
  return reading.set('bench', (own.user + own.system) / 1e6)
}
