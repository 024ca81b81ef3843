import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Guard } from './guard.ts'

const FIRST_RESTART_DELAY_MS = 200
const RESTART_DELAY_MS_MAX = 2_000
/** A process that lived this long has not "kept dying": its next restart is fast again. */
const STABLE_AFTER_MS = 10_000

export interface ProcessSpec {
  readonly name: string
  /** Counted from 1. */
  readonly instance: number
  readonly command: readonly [string, ...string[]]
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly port: number
  /** stdout and stderr are appended here by the process itself; no byte goes through the supervisor. */
  readonly logFile: string
  readonly guard: Guard
  readonly onDeath?: (death: Death) => void
  readonly onStart?: (process: ManagedProcess) => void
}

export interface Death {
  readonly process: ManagedProcess
  /** Such as "exit code 1" or "signal SIGKILL". */
  readonly reason: string
  readonly livedMs: number
  /** Deaths in a row, each less than 10 s after its start. */
  readonly quickDeaths: number
  /** Where this run's output begins in the log, in bytes. */
  readonly logOffset: number
  /** null when it will not be started again. */
  readonly restartInMs: number | null
}

export interface ManagedProcess {
  readonly name: string
  readonly instance: number
  readonly port: number
  readonly logFile: string
  /** undefined while it is not running. */
  readonly pid: number | undefined
  /** Whether it is started again after it dies. May be switched at any time. */
  restart: boolean
  /** Starts it unless it is running. */
  start(): void
  /** Sends a signal; false when it is not running. */
  kill(signal: NodeJS.Signals): boolean
  /** SIGSTOP: alive, but doing nothing. */
  pause(): boolean
  /** SIGCONT. */
  resume(): boolean
  /** Resolves when the present run has ended; at once when there is none. */
  exited(): Promise<void>
  /** Ends it for good: SIGTERM, then SIGKILL after graceMs. Resolves when it is gone. */
  terminate(graceMs: number): Promise<void>
}

/** Every process that this Node process runs at the moment. */
const running = new Set<ManagedProcess>()

/** SIGKILL to all of them; none is started again. */
export function killAll() {
  for (const process of running) {
    process.restart = false
    process.kill('SIGKILL')
  }
}

/** A disk that is full or fails must not keep a process from starting, nor end the supervisor. */
function openLog(file: string): number {
  try {
    return openSync(file, 'a')
  } catch {
    return openSync('/dev/null', 'a')
  }
}

export function createManagedProcess(spec: ProcessSpec): ManagedProcess {
  let child: ChildProcess | undefined
  let ended: Promise<void> = Promise.resolve()
  let restartTimer: NodeJS.Timeout | undefined
  let quickDeaths = 0

  function start() {
    clearTimeout(restartTimer)
    if (child) return
    const [file, ...args] = spec.command
    const log = openLog(spec.logFile)
    const logOffset = fstatSync(log).size
    const startedAt = performance.now()
    // Its own session: Ctrl-C in the terminal reaches only the supervisor, which then stops everything in order.
    const started = spawn(file, args, {
      argv0: file === process.execPath ? 'node' : file,
      cwd: spec.cwd,
      env: spec.env,
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    child = started
    running.add(self)
    const { pid } = started
    if (pid) spec.guard.add(pid)
    ended = new Promise((resolve) => {
      const end = (reason: string) => {
        if (child !== started) return
        child = undefined
        running.delete(self)
        if (pid) spec.guard.remove(pid)
        resolve()
        died(reason, performance.now() - startedAt, logOffset)
      }
      started.once('error', (error) => end(error.message))
      started.once('exit', (code, signal) => end(signal ? `signal ${signal}` : `exit code ${code}`))
    })
    spec.onStart?.(self)
  }

  function died(reason: string, livedMs: number, logOffset: number) {
    quickDeaths = livedMs < STABLE_AFTER_MS ? quickDeaths + 1 : 0
    const growth = 2 ** Math.max(0, quickDeaths - 1)
    const restartInMs = self.restart ? Math.min(FIRST_RESTART_DELAY_MS * growth, RESTART_DELAY_MS_MAX) : null
    if (restartInMs !== null) restartTimer = setTimeout(() => self.restart && start(), restartInMs)
    spec.onDeath?.({ process: self, reason, livedMs, quickDeaths, logOffset, restartInMs })
  }

  async function terminate(graceMs: number) {
    self.restart = false
    clearTimeout(restartTimer)
    if (!child) return
    self.kill('SIGTERM')
    self.kill('SIGCONT') // a paused process would not see the SIGTERM
    const timer = new AbortController()
    const late = delay(graceMs, true, { signal: timer.signal }).catch(() => false)
    if (await Promise.race([ended.then(() => false), late])) self.kill('SIGKILL')
    timer.abort()
    await ended
  }

  const self: ManagedProcess = {
    name: spec.name,
    instance: spec.instance,
    port: spec.port,
    logFile: spec.logFile,
    get pid() {
      return child?.pid
    },
    restart: true,
    start,
    kill: (signal) => child?.kill(signal) ?? false,
    pause: () => self.kill('SIGSTOP'),
    resume: () => self.kill('SIGCONT'),
    exited: () => ended,
    terminate,
  }
  return self
}

/** The previous run's log is kept as `….1`. */
export function freshLog(folder: string, name: string) {
  const file = join(folder, `${name}.log`)
  rmSync(`${file}.1`, { force: true })
  try {
    renameSync(file, `${file}.1`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return file
}
