/**
 * The counters of the rate limit, on the monotonic clock: those that the plugin brings compare times of the wall clock, and
 * one that is set back by an hour would refuse whoever was at the limit for that hour.
 */

/** The counters kept; beyond, those that were not used for longest are forgotten. */
const MOST_KEYS = 5_000

interface Window {
  started: number
  current: number
}

/** A store of @fastify/rate-limit: fixed windows, each from the first request of its key on. */
export class RateWindows {
  readonly #windows = new Map<string, Window>()

  incr(
    key: string,
    callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
    timeWindow = 60_000,
  ): void {
    const now = performance.now()
    const known = this.#windows.get(key)
    const window = known && now - known.started < timeWindow ? known : { started: now, current: 0 }
    window.current += 1
    this.#windows.delete(key)
    this.#windows.set(key, window)
    for (const [oldest] of this.#windows) {
      if (this.#windows.size <= MOST_KEYS) break
      this.#windows.delete(oldest)
    }
    callback(null, { current: window.current, ttl: Math.ceil(window.started + timeWindow - now) })
  }

  child(): RateWindows {
    return new RateWindows()
  }
}
