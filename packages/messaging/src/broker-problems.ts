/**
 * What keeps a connected broker from being used as it should, for people: shown in `/status/{part}`, logged once when it
 * appears and once when it has gone.
 */
import type { Logger } from 'pino'

export interface BrokerProblems {
  /** One line that says what is wrong and what to do; undefined when nothing is. */
  readonly first: string | undefined
  /** States, or with undefined takes back, the problem of one kind (such as 'foreign-stream ORDERS'). */
  set(kind: string, text: string | undefined): void
}

export function createBrokerProblems(logger?: Pick<Logger, 'warn' | 'info'>): BrokerProblems {
  const problems = new Map<string, string>()
  return {
    get first() {
      return problems.values().next().value
    },
    set(kind, text) {
      const before = problems.get(kind)
      if (before === text) return
      if (text === undefined) {
        problems.delete(kind)
        logger?.info({ problem: before }, 'a problem with the broker has gone')
      } else {
        problems.set(kind, text)
        logger?.warn({ problem: text }, 'a problem with the broker')
      }
    },
  }
}
