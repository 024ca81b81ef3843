/** The platform that tests steer, in the place of packages/kernel/src/platform.ts: its time, timers, chance and ids. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { v7 } from 'uuid'
import { newSeed, seededRandom } from './random.ts'

export interface TestTimer {
  unref(): TestTimer
}

export interface TestPlatform {
  now(): number
  monotonic(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  setTimeout(run: () => void, ms: number): TestTimer
  setInterval(run: () => void, ms: number): TestTimer
  clearTimeout(timer: TestTimer | undefined): void
  setImmediate(run: () => void): void
  nextTick(run: () => void): void
  random(): number
  randomBytes(size: number): Buffer
  newId(): string
  /** Moves its time forward by `ms` at once, as for a process that stood still: what is due by then runs once. */
  advance(ms: number): void
  /** Sets the wall clock forward, or back, by `ms`; the monotonic one knows nothing of it. */
  step(ms: number): void
  /** Set: nothing of this platform runs, as in a process that was stopped. Its time goes on. */
  stopped: boolean
}

export interface TestPlatformOptions {
  /** The time that it shows, with others or alone. */
  time?: Time
  /** Its monotonic clock: ahead by so many ms, */
  offset?: number
  /** and this much faster. */
  rate?: number
  /** What the wall clock shows at the beginning. */
  startMs?: number
  /**
   * What a sleep does. `moves`: it moves the time, so that timeouts of minutes pass at once. `waits`: it lasts until the test
   * lets the time pass. `spins`: it is a short real one and the time stands still, so that somebody who retries does retry.
   */
  asleep?: 'moves' | 'waits' | 'spins'
  /** Of randomness and ids; without it no two platforms make the same. */
  seed?: number
}

let made = 0

/** Moves only when it is told to. Turns of the event loop are real. */
export function createTestPlatform(options: TestPlatformOptions = {}): TestPlatform {
  const { time = createTime(), offset = 0, rate = 1, asleep = 'moves' } = options
  const { startMs = Date.parse('2026-11-22T10:00:00.000Z'), seed = newSeed() + made++ } = options
  const random = seededRandom(seed)
  const randomBytes = (size: number) => Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)))
  let stepped = 0
  let last = { msecs: 0, seq: 0 }
  const monotonic = () => offset + time.now() * rate
  const wait = (run: () => void, ms: number, again = false) => time.wait({ owner: self, run, ms: ms / rate, again })
  const self: TestPlatform = {
    stopped: false,
    now: () => startMs + Math.floor(monotonic()) + stepped,
    monotonic,
    async sleep(ms, signal) {
      if (asleep === 'spins') return delay(1)
      if (asleep === 'moves') {
        time.jump(ms / rate)
        return turn()
      }
      if (signal?.aborted) return
      await new Promise<void>((resolve) => {
        const sleeper = wait(resolve, ms)
        signal?.addEventListener('abort', () => {
          time.forget(sleeper)
          resolve()
        })
      })
    },
    setTimeout: (run, ms) => wait(run, ms),
    setInterval: (run, ms) => wait(run, ms, true),
    clearTimeout: (timer) => time.forget(timer),
    setImmediate,
    nextTick: process.nextTick,
    random,
    randomBytes,
    newId() {
      const msecs = Math.max(self.now(), last.msecs)
      last = { msecs, seq: msecs > last.msecs ? 0 : last.seq + 1 }
      return v7({ random: randomBytes(16), ...last })
    },
    advance: (ms) => time.jump(ms / rate),
    step(ms) {
      stepped += ms
    },
  }
  return self
}

interface Waiting extends TestTimer {
  due: number
  readonly everyMs: number | undefined
  readonly owner: TestPlatform
  readonly run: () => void
}

export type Time = ReturnType<typeof createTime>

/** One time for several platforms. What waits on any of them runs in its order. */
export function createTime() {
  let now = 0
  const waiting = new Set<Waiting>()
  const due = (by: number) =>
    [...waiting].filter((one) => !one.owner.stopped && one.due <= by).sort((a, b) => a.due - b.due)

  function fire(one: Waiting): void {
    if (one.everyMs === undefined) waiting.delete(one)
    else one.due = now + one.everyMs
    one.run()
  }

  return {
    now: () => now,
    wait(options: { owner: TestPlatform; run: () => void; ms: number; again: boolean }): TestTimer {
      const { owner, run, ms, again } = options
      const one: Waiting = { owner, run, due: now + ms, everyMs: again ? ms : undefined, unref: () => one }
      waiting.add(one)
      return one
    },
    forget(timer: TestTimer | undefined): void {
      waiting.delete(timer as Waiting)
    },
    /** On by `ms` at once: see `advance`. */
    jump(ms: number): void {
      now += ms
      for (const one of due(now)) if (waiting.has(one)) fire(one)
    },
    /** Lets the time pass, stopping where something is due, and calls `look` after each of these. */
    async pass(ms: number, look: () => void = () => {}): Promise<void> {
      const end = now + ms
      for (let [next] = due(end); next; [next] = due(end)) {
        now = Math.max(now, next.due)
        fire(next)
        await settled()
        look()
      }
      now = end
      look()
    },
  }
}

/** A write on a file that is not locked takes three turns of the event loop, however slow the machine is. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await turn()
}
