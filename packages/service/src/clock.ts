/**
 * Time and identity as parameters: handlers, relay, sweeper and consumers never ask the process for them, so that a
 * simulation can drive the same code with a virtual clock and its own ids.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { v7 } from 'uuid'

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
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined),
}

/** Makes a new id. The system's are UUIDv7 (RFC 9562): ordered by time, so they append to their indexes. */
export type NewId = () => string

export const uuidv7: NewId = () => v7()

/** RFC 3339, UTC, milliseconds: how every time leaves the system. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString()
