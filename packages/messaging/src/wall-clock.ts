/**
 * The NATS client compares times of the wall clock in two places: between two attempts to reconnect, and where it watches
 * over a pull. A clock set back by an hour would stop either for that hour. What is here keeps both from it.
 */

import type { Platform } from '@checkout/kernel/platform.ts'

const LOOK_EVERY_MS = 1_000
/** Less is the ordinary slewing of a clock, or a timer that came late. */
const STEP_MS = 500

interface Candidate {
  readonly lastConnect: number
}

/**
 * Options for the client's `connect`: attempts to reconnect are at least `waitMs` apart, measured by the monotonic clock
 * alone. The client asks first how long to wait since its `lastConnect` (never), then where to and in how long.
 */
export function steadyReconnect<Server extends Candidate>(waitMs: number, { monotonic }: Platform) {
  let next = 0
  return {
    reconnectDelayHandler: () => Number.NEGATIVE_INFINITY,
    reconnectToServer([server]: readonly Server[]) {
      const now = monotonic()
      const delay = Math.max(0, Math.ceil(next - now))
      next = now + delay + waitMs
      return { server: server as Server, delay }
    },
  }
}

export interface ClockSteps {
  /** Calls the listener after every step of the wall clock; returns a function that unsubscribes. */
  onStep(listener: () => void): () => void
  close(): void
}

/** Notices within about a second that the wall clock was set, forward or back. */
export function watchClock({ now: wall, monotonic, setInterval, clearTimeout }: Platform): ClockSteps {
  const listeners = new Set<() => void>()
  const difference = () => wall() - monotonic()
  let seen = difference()
  const timer = setInterval(() => {
    const now = difference()
    if (Math.abs(now - seen) > STEP_MS) for (const listener of [...listeners]) listener()
    seen = now
  }, LOOK_EVERY_MS).unref()
  return {
    onStep(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => clearTimeout(timer),
  }
}
