/** What is kept in the browser, as JSON under one prefix. Nothing here throws: without storage it lasts for the page. */
import type { KeyValue } from './platform.ts'

const PREFIX = 'checkout.'

/** What is kept per user, and goes when the user is forgotten. */
export const userEntries = [
  'orders.unanswered',
  'movements.unanswered',
  'letters.seen',
  'letters.read',
  'letters.received',
  'toasts',
] as const
export type UserEntry = (typeof userEntries)[number]

/** User ids have no colon, so two users' keys are never the same. */
export const userKey = (entry: UserEntry, userId: string) => `${entry}:${userId}`

export interface Store {
  /**
   * The value under a key. What is there may be another version's, or anybody's: `parse` makes a value of it or
   * undefined.
   */
  read<T>(key: string, parse: (value: unknown) => T | undefined): T | undefined
  write(key: string, value: unknown): void
  remove(key: string): void
}

export function createStore(storage: KeyValue): Store {
  /** What storage would not take (private mode, full); null = would not remove. It wins over what storage has. */
  const refused = new Map<string, string | null>()

  function attempt(key: string, text: string | null, change: () => void) {
    try {
      change()
      refused.delete(key)
    } catch {
      refused.set(key, text)
    }
  }

  function textOf(key: string): string | null {
    const kept = refused.get(key)
    if (kept !== undefined) return kept
    try {
      return storage.getItem(PREFIX + key)
    } catch {
      return null
    }
  }

  return {
    read(key, parse) {
      const text = textOf(key)
      if (text === null) return undefined
      try {
        return parse(JSON.parse(text))
      } catch {
        return undefined
      }
    },
    write(key, value) {
      const text = JSON.stringify(value)
      attempt(key, text, () => storage.setItem(PREFIX + key, text))
    },
    remove: (key) => attempt(key, null, () => storage.removeItem(PREFIX + key)),
  }
}

export const asString = (value: unknown) => (typeof value === 'string' ? value : undefined)
export const asNumber = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)

/** Parses a list, leaving out what `parse` cannot read. */
export const asList =
  <T>(parse: (value: unknown) => T | undefined) =>
  (value: unknown): T[] | undefined =>
    Array.isArray(value) ? value.map(parse).filter((item) => item !== undefined) : undefined

/** The fields of an object; none of what is not one. */
export const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
