/** What the supervisor says about its processes: starts, deaths with the last errors of the log, restarts. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { relative } from 'node:path'
import { BAD_CONFIG } from '@checkout/kernel/exit-codes.ts'
import type { Death, ManagedProcess } from '@checkout/processes/managed-process.ts'

/** So many deaths of one process before all were ready mean that it will not come up: its own message says why. */
const DEATHS_WHILE_STARTING_MAX = 3
const TAIL_BYTES = 16_384
const LINES_SHOWN = 6

export interface DeathWatch {
  started(process: ManagedProcess): void
  died(death: Death): void
  /** From now on a death is news, not a failed start. */
  allReady(): void
  /** From now on deaths are expected: nothing is said. */
  stopping(): void
}

/** `giveUp` is called when a process cannot be started. */
export function watchDeaths(root: string, log: (line: string) => void, giveUp: (error: Error) => void): DeathWatch {
  let phase: 'starting' | 'running' | 'stopping' = 'starting'
  let gaveUp = false
  const deaths = new Map<ManagedProcess, number>()
  const title = (p: ManagedProcess) => `${p.name} ${p.instance}`.padEnd(24)

  function started(p: ManagedProcess) {
    if (phase === 'stopping') return
    log(`${title(p)} ${deaths.has(p) ? 'started again' : 'started'} on port ${p.port}, pid ${p.pid ?? '–'}`)
  }

  function died({ process: p, reason, restartInMs, logOffset }: Death) {
    const count = (deaths.get(p) ?? 0) + 1
    deaths.set(p, count)
    if (phase === 'stopping') return
    if (phase === 'starting' && gaveUp) return
    const next = restartInMs === null ? '' : `; starts again in ${(restartInMs / 1_000).toFixed(1)} s`
    log(`${title(p)} DIED (${reason})${next}`)
    const errors = lastErrors(p.logFile, logOffset)
    for (const line of errors) log(`    ${line}`)
    const hopeless = reason === `exit code ${BAD_CONFIG}` || count >= DEATHS_WHILE_STARTING_MAX
    if (phase === 'starting' && hopeless) {
      const file = p.logFile.startsWith(root) ? relative(root, p.logFile) : p.logFile
      gaveUp = true
      const cause = errors.length > 0 ? `\n  ${errors.join('\n  ')}` : ''
      giveUp(new Error(`${p.name} ${p.instance} does not start (${reason}). Its log is ${file}${cause}`))
    }
  }

  return {
    started,
    died,
    allReady: () => {
      phase = 'running'
    },
    stopping: () => {
      phase = 'stopping'
    },
  }
}

/** The errors since the process last started, readable: pino lines of level error or worse, and plain text; none without a log. */
function lastErrors(file: string, offset: number): string[] {
  const lines = (existsSync(file) ? tail(file, offset) : '')
    .split('\n')
    .map(readable)
    .filter((line) => line !== '')
  return lines.slice(-LINES_SHOWN)
}

/** What says nothing about the cause: stack frames, Node's own epilogue, nats-server's information lines. */
const noise =
  /^\s*at |^Node\.js v|^\s*[\^}{)\]]*\s*$|^node:internal|^\s+(code|throw)\b|requireStack|\[INF\]|Plaintext passwords detected/

function readable(line: string): string {
  if (!line.startsWith('{')) return noise.test(line) ? '' : line.trimEnd().slice(0, 200)
  try {
    const entry = JSON.parse(line) as { level?: number | string; msg?: string; err?: { message?: string } }
    const { level } = entry // pino's number, or its label
    if (typeof level === 'number' ? level < 50 : level !== 'error' && level !== 'fatal') return ''
    return [entry.msg, entry.err?.message].filter(Boolean).join(': ').slice(0, 200)
  } catch {
    return line.slice(0, 200)
  }
}

function tail(file: string, offset: number): string {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    if (offset > size) offset = 0 // the log was rotated
    const buffer = Buffer.alloc(Math.max(0, Math.min(size - offset, TAIL_BYTES)))
    readSync(fd, buffer, 0, buffer.length, size - buffer.length)
    const text = buffer.toString('utf8')
    // Cut in the middle of a line, the rest of that line would pass for text of its own.
    return size - buffer.length > offset ? text.slice(text.indexOf('\n') + 1) : text
  } finally {
    closeSync(fd)
  }
}
