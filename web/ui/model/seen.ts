/**
 * Which letters this browser has been given already: the highest `seq`, from which the next connection goes on, and the
 * last ones by id, because numbers begin anew when the server's file is restored from a copy.
 */
import type { Letter } from '@checkout/contracts/http.ts'
import { asList, asNumber, asString, fieldsOf, type Store, userKey } from './storage.ts'

/** Remembered letters: about 70 bytes each, written with every letter that comes. */
const REMEMBERED_MAX = 100

export interface Seen {
  /** The highest seq; undefined in a user's first visit, until start(). */
  seq(): number | undefined
  isNew(letter: Letter): boolean
  add(letter: Letter): void
  /** The server's highest seq, where ours is unknown or is beyond it. `now`: wall clock, ms. */
  start(seq: number, now: number): void
}

type Remembered = Pick<Letter, 'id' | 'createdAt'>

interface State {
  seq: number | undefined
  remembered: readonly Remembered[]
  /** Letters written up to then are either remembered or seen and forgotten. */
  forgottenUpTo: string
}

export function openSeen(store: Store, userId: string): Seen {
  const key = userKey('letters.seen', userId)
  // Each tab goes by its own copy: what another tab was given, this one is still to get.
  let state = store.read(key, parseState) ?? { seq: undefined, remembered: [], forgottenUpTo: '' }

  return {
    seq: () => state.seq,
    isNew({ id, seq, createdAt }) {
      if (state.remembered.some((letter) => letter.id === id)) return false
      // Numbered below what was seen and older than what is remembered: out of a restored server's whole backlog.
      return seq > (state.seq ?? 0) || createdAt > state.forgottenUpTo
    },
    add({ id, seq, createdAt }) {
      const all = [...state.remembered, { id, createdAt }]
      const forgotten = all.splice(0, Math.max(0, all.length - REMEMBERED_MAX))
      const forgottenUpTo = forgotten.reduce((latest, letter) => max(latest, letter.createdAt), state.forgottenUpTo)
      state = { seq: Math.max(state.seq ?? 0, seq), remembered: all, forgottenUpTo }
      // A reload goes on from where any tab has come to.
      const other = store.read(key, parseState)?.seq
      if (other === undefined || other <= seq) store.write(key, state)
    },
    start(seq, now) {
      // What was written before the first visit counts as seen.
      const forgottenUpTo = state.seq === undefined ? new Date(now).toISOString() : state.forgottenUpTo
      state = { ...state, seq, forgottenUpTo }
      store.write(key, state)
    },
  }
}

const max = (a: string, b: string) => (a > b ? a : b)

function parseState(value: unknown): State | undefined {
  const { seq, remembered, forgottenUpTo } = fieldsOf(value)
  const letters = asList(parseRemembered)(remembered)
  if (letters === undefined) return undefined
  return { seq: asNumber(seq), remembered: letters, forgottenUpTo: asString(forgottenUpTo) ?? '' }
}

function parseRemembered(value: unknown): Remembered | undefined {
  const { id, createdAt } = fieldsOf(value)
  return typeof id === 'string' && typeof createdAt === 'string' ? { id, createdAt } : undefined
}
