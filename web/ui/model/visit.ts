/**
 * A visit: the time from a user becoming this tab's current one to the next switch. Everything that is read or waited
 * for belongs to a visit and ends with it, so that one user's answers and timers never reach another one's page (nor
 * the same user's, come back later).
 */
import { batch, type ReadonlySignal, signal, untracked } from '@preact/signals-core'
import type { Platform } from './platform.ts'

export interface Visit {
  readonly userId: string
  /** Aborted at the end. */
  readonly signal: AbortSignal
  readonly ended: boolean
  /** Runs once after `ms`, unless the visit is over by then or the returned function was called. */
  after(ms: number, run: () => void): () => void
  onEnd(run: () => void): void
}

export interface Visits {
  readonly current: ReadonlySignal<Visit | undefined>
  /** `run` is called at the beginning of every visit to come. */
  each(run: (visit: Visit) => void): void
  /** Ends the visit there is and begins one of this user; without a user none begins. */
  begin(userId: string | undefined): void
}

export function createVisits(platform: Pick<Platform, 'setTimeout' | 'clearTimeout'>): Visits {
  const current = signal<Visit | undefined>(undefined)
  const beginnings: ((visit: Visit) => void)[] = []
  let end = () => {}

  return {
    current,
    each: (run) => void beginnings.push(run),
    begin: (userId) =>
      // In one batch, so that nobody sees the new user with the old one's data; untracked, because an effect calls it.
      untracked(() =>
        batch(() => {
          end()
          end = () => {}
          if (userId === undefined) {
            current.value = undefined
            return
          }
          const begun = openVisit(userId, platform)
          end = begun.end
          current.value = begun.visit
          for (const run of beginnings) run(begun.visit)
        }),
      ),
  }
}

function openVisit(userId: string, platform: Pick<Platform, 'setTimeout' | 'clearTimeout'>) {
  const controller = new AbortController()
  const endings = new Set<() => void>()
  const visit: Visit = {
    userId,
    signal: controller.signal,
    get ended() {
      return controller.signal.aborted
    },
    after(ms, run) {
      if (visit.ended) return () => {}
      const cancel = () => {
        platform.clearTimeout(timer)
        endings.delete(cancel)
      }
      const timer = platform.setTimeout(() => {
        endings.delete(cancel)
        run()
      }, ms)
      endings.add(cancel)
      return cancel
    },
    onEnd: (run) => void endings.add(run),
  }
  function end() {
    controller.abort()
    for (const run of [...endings]) run()
    endings.clear()
  }
  return { visit, end }
}

/** State that starts anew with each visit; made when it is first asked for. */
export function perVisit<T>(make: (visit: Visit) => T): (visit: Visit) => T {
  const states = new WeakMap<Visit, T>()
  return (visit) => {
    const known = states.get(visit)
    if (known !== undefined) return known
    const made = make(visit)
    states.set(visit, made)
    return made
  }
}
