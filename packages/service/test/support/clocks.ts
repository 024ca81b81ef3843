/** Clocks that tests move, and waiting for what cannot be moved. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { eventually } from '../../../../test/support/eventually.ts'
import type { Clock } from '../../src/clock.ts'

/** Stands still until it is moved; a sleep is a short real one, so that somebody who retries does retry. */
export function manualClock(start = 0): Clock & { advance(ms: number): void } {
  let now = start
  return {
    now: () => now,
    monotonic: () => now,
    sleep: () => delay(1),
    advance(ms) {
      now += ms
    },
  }
}

export interface VirtualClock extends Clock {
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

export const until = (what: string, condition: () => boolean) => eventually(condition, { what })
