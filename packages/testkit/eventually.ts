import { setTimeout as delay } from 'node:timers/promises'

export interface Patience {
  /** How long the condition may take; generous, for a slow machine. Default 30 s. */
  deadlineMs?: number
  /** Named in the error. */
  what: string
}

/**
 * Polls until the condition returns something truthy, and returns that. A condition that throws counts as not yet met.
 * Throws after the deadline, naming `what` and the last value or error.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { deadlineMs = 30_000, what }: Patience,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + deadlineMs
  let last: unknown
  do {
    try {
      const value = await condition()
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
      last = value
    } catch (error) {
      last = error
    }
    await delay(25)
  } while (performance.now() < deadline)
  const seen = last instanceof Error ? last.message : JSON.stringify(last)
  throw new Error(`not within ${deadlineMs / 1_000} s: ${what} (last: ${seen})`)
}

/** The same, for who needs only a name. */
export const until = (what: string, condition: () => unknown) => eventually(condition, { what })
