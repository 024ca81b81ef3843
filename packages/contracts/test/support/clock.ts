/** A clock that moves only when it is told to, or when somebody sleeps on it: timeouts of minutes pass at once. */
export interface TestClock {
  now(): number
  monotonic(): number
  sleep(ms: number): Promise<void>
  /** Moves both clocks forward by `ms`. */
  advance(ms: number): void
  /** Sets the wall clock forward, or back, by `ms`; the monotonic one knows nothing of it. */
  step(ms: number): void
}

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
