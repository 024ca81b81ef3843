/** Clocks that tests move; each is what the services take for a clock. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'

export interface TestClock {
  now(): number
  monotonic(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Moves both clocks forward by `ms`. */
  advance(ms: number): void
  /** Sets the wall clock forward, or back, by `ms`; the monotonic one knows nothing of it. */
  step(ms: number): void
}

/** Moves only when it is told to, or when somebody sleeps on it: timeouts of minutes pass at once. */
export function createTestClock(startMs = Date.parse('2026-11-22T10:00:00.000Z')): TestClock {
  let passed = 0
  let stepped = 0
  return {
    now: () => startMs + Math.floor(passed) + stepped,
    monotonic: () => passed,
    async sleep(ms) {
      passed += ms
      await new Promise(setImmediate)
    },
    advance(ms) {
      passed += ms
    },
    step(ms) {
      stepped += ms
    },
  }
}

/** Stands still even then: a sleep is a short real one, so that somebody who retries does retry. */
export const manualClock = (startMs = 0): TestClock => ({ ...createTestClock(startMs), sleep: () => delay(1) })

export interface VirtualClock extends Pick<TestClock, 'now' | 'monotonic' | 'sleep'> {
  /** Set: whoever sleeps on this clock is not woken, as in a process that was stopped. Its time goes on. */
  stopped: boolean
}

/** One time, and clocks that show it with an offset and at a rate of their own. Sleepers wake in its order. */
export function virtualTime() {
  let now = 0
  let sleepers: { due: number; clock: VirtualClock; wake: () => void }[] = []

  function clock({ offset = 0, rate = 1 } = {}): VirtualClock {
    const shown = () => offset + now * rate
    const self: VirtualClock = {
      stopped: false,
      now: shown,
      monotonic: shown,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          signal?.addEventListener('abort', () => resolve())
          sleepers.push({ due: now + ms / rate, clock: self, wake: resolve })
        }),
    }
    return self
  }

  /** Moves the time on, waking the sleepers that are due one at a time, and calls `look` after each of them. */
  async function advance(ms: number, look: () => void = () => {}): Promise<void> {
    const end = now + ms
    for (;;) {
      const [next] = sleepers.filter((s) => !s.clock.stopped && s.due <= end).sort((a, b) => a.due - b.due)
      if (!next) break
      sleepers = sleepers.filter((s) => s !== next)
      now = Math.max(now, next.due)
      next.wake()
      await settled()
      look()
    }
    now = end
    look()
  }

  return { clock, advance, now: () => now }
}

/** A write on a file that is not locked takes three turns of the event loop, however slow the machine is. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await turn()
}
