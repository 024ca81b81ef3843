/**
 * Time and identity as parameters: handlers, relay, sweeper and consumers never ask the process for them, so that a
 * simulation can drive the same code with a virtual clock and its own ids.
 */
import { v7 } from 'uuid'
import { createRandom } from './random.ts'

export interface Clock {
  /** Wall clock, milliseconds since 1970 (UTC). For what people read, never for measuring. */
  now(): number
  /** Milliseconds on a clock that never jumps. For measuring, never for what people read. */
  monotonic(): number
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  // Not node:timers/promises, which makes an error with a stack of every sleep that is cut short, and most are.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake)
    }),
}

/** Makes a new id. The system's are UUIDv7 (RFC 9562): ordered by time, so they append to their indexes. */
export type NewId = () => string

export const uuidv7: NewId = () => {
  const random = nextRandom()
  const now = Date.now()
  // Many in one millisecond count on from a random number, so that they stay in order.
  if (now > last.msecs) last = { msecs: now, seq: random.readUInt32BE(6) >>> 1 }
  else last = { msecs: last.msecs, seq: last.seq + 1 }
  return v7({ random, ...last })
}

let last = { msecs: 0, seq: 0 }

const nextRandom = createRandom(16)

/** RFC 3339, UTC, milliseconds: how every time leaves the system. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString()
