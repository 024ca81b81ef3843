/**
 * A duty: something that one instance does again and again while it holds the lease (publish, sweep, retire, mail).
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { type Lease, LeaseLost } from '@checkout/store/lease.ts'
import type { Logger } from 'pino'

export interface Duty {
  start(): void
  /** Lets the running round end. */
  stop(): Promise<void>
  /** There may be work: do not wait for the next round. */
  wake(): void
}

export interface DutyOptions {
  name: string
  /** Longest pause between two rounds, ms. */
  everyMs: number
  /** One round. Returns whether there is more to do at once. */
  round: (signal: AbortSignal) => Promise<boolean>
  lease: Lease
  platform: Platform
  logger: Logger
}

/** A reason given costs nothing; without one, abort() makes an error with a stack. */
const WOKEN = 'woken'

export function createDuty({ name, everyMs, round, lease, platform, logger }: DutyOptions): Duty {
  const stopping = new AbortController()
  let waker = new AbortController()
  let awake = false
  let loop: Promise<void> | undefined
  let failures = 0

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const more = lease.held() ? await attempt() : false
      if (!more) await pause()
    }
  }

  async function attempt(): Promise<boolean> {
    try {
      const more = await round(stopping.signal)
      failures = 0
      return more
    } catch (error) {
      if (error instanceof LeaseLost) return false
      // The first few are what a restarting broker or a locked file looks like; a lasting one deserves a line.
      failures += 1
      const level = isStorageError(error) || failures < 5 ? 'debug' : 'warn'
      logger[level]({ err: error, duty: name, failures }, 'a round failed; it will be tried again')
      await platform.sleep(Math.min(100 * 2 ** failures, 2_000), stopping.signal)
      return false
    }
  }

  async function pause(): Promise<void> {
    if (!awake && !stopping.signal.aborted) {
      waker = new AbortController()
      await platform.sleep(everyMs, waker.signal)
    }
    awake = false
  }

  const wake = () => {
    awake = true
    waker.abort(WOKEN)
  }

  lease.onAcquired(wake)
  return {
    start() {
      loop = run()
    },
    async stop() {
      stopping.abort()
      waker.abort(WOKEN)
      await loop
    },
    wake,
  }
}
