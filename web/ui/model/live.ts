/** Letters as they are written: over a WebSocket, by polling where there is none. */
import type { Letter, Page } from '@checkout/contracts/http.ts'
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import type { Platform } from './platform.ts'
import { openSeen, type Seen } from './seen.ts'
import { openSocket } from './socket.ts'
import type { Store } from './storage.ts'
import type { Visit, Visits } from './visit.ts'

export type LiveState = 'off' | 'connecting' | 'live' | 'retrying' | 'polling' | 'offline'
export type LetterListener = (letter: Letter, receivedAt: number) => void

export interface Live {
  state: ReadonlySignal<LiveState>
  /** When the next try is due (wall clock, ms); undefined while none waits. */
  retryAt: ReadonlySignal<number | undefined>
  /** Tries at once instead of waiting for retryAt. */
  retryNow(): void
  /** Each letter once, in `seq` order. Returns the way to stop listening. */
  onLetter(listener: LetterListener): () => void
}

/** Backoff: a random part of 250 ms, 500 ms, … 10 s, so that clients of a restarted service do not come in step. */
const BACKOFF_FIRST_MS = 250
const BACKOFF_MAX_MS = 10_000
/** Service restarts, too slow a reader: the next instance, or a fresh start, is there already. */
const AT_ONCE = new Set([1012, 1013])
/** The user has more tabs open than the service keeps connections: a new one at once would cost another tab its own. */
const CROWDED = 1008
/** Until then the tab polls; half of it at least. */
const CROWDED_MS = 5 * 60_000
/** After that many failures in a row "at once" would be hammering. */
const AT_ONCE_MAX = 3
/** A connection that held this long was a good one: the next failure counts as the first. */
const STABLE_MS = 5_000
const POLL_MS = 3_000
const POLL_PAGE = 50
/** A connection can be dead without a word (a laptop that slept, a forgetful NAT): the list tells whether it brings all. */
const CHECK_MS = 60_000
/** For letters that were on their way while the list was read. */
const ON_THEIR_WAY_MS = 2_000
/** Pages read in one poll; letters beyond are in the list, but not announced. */
const POLL_PAGES_MAX = 20

export interface LiveDeps {
  platform: Platform
  api: Api
  store: Store
  visits: Visits
}

export type OwnLive = Live & {
  /** The user's highest seq as far as it is known. */
  highest: ReadonlySignal<number | undefined>
  /** Up to here letters have been given out: none with a lower seq will come. undefined = not known yet. */
  given(): number | undefined
}

/** Facts that the state is made of. */
interface Facts {
  connected: boolean
  pollWorks: boolean
  failures: number
}

export function createLive({ platform, api, store, visits }: LiveDeps): OwnLive {
  const listeners = new Set<LetterListener>()
  const facts = signal<Facts | undefined>(undefined)
  const retryAt = signal<number | undefined>(undefined)
  const highest = signal<number | undefined>(undefined)
  let current: { reconnect(delayMs: number): void; seen: Seen } | undefined

  const note = (changed: Partial<Facts>) => {
    const before = facts.peek()
    if (before) facts.value = { ...before, ...changed }
  }

  visits.each((visit) => {
    const seen = openSeen(store, visit.userId)
    facts.value = { connected: false, pollWorks: false, failures: 0 }
    highest.value = seen.seq()
    current = { seen, reconnect: follow(visit, seen) }
    visit.onEnd(() => {
      current = undefined
      facts.value = undefined
      retryAt.value = undefined
      highest.value = undefined
    })
  })

  /** Keeps a connection, or polls, to the visit's end. Returns the way to drop the connection for a new one. */
  function follow(visit: Visit, seen: Seen): (delayMs: number) => void {
    let closeSocket = () => {}
    let cancelRetry = () => {}
    let cancelPoll = () => {}
    let readyAt: number | undefined

    function connect() {
      cancelRetry()
      retryAt.value = undefined
      closeSocket = openSocket(platform, visit, seen.seq(), { letter: (letter) => give(letter, seen), ready, closed })
    }

    function ready(seq: number) {
      readyAt = platform.monotonic()
      batch(() => {
        synchronise(seen, seq)
        note({ connected: true, pollWorks: false })
      })
      checkIn(CHECK_MS)
    }

    function checkIn(delayMs: number) {
      cancelPoll()
      cancelPoll = visit.after(delayMs, () => void check())
    }

    async function check() {
      const connection = readyAt
      const letters = (await lettersAfter(visit, seen)) ?? []
      if (visit.ended || readyAt === undefined || readyAt !== connection) return
      if (letters.length === 0) return checkIn(CHECK_MS)
      cancelPoll()
      cancelPoll = visit.after(ON_THEIR_WAY_MS, () => (letters.some(seen.isNew) ? reconnect(0) : checkIn(CHECK_MS)))
    }

    function reconnect(delayMs: number) {
      closeSocket()
      lost(0)
      connectIn(delayMs)
    }

    function closed(code: number) {
      const heldMs = readyAt === undefined ? 0 : platform.monotonic() - readyAt
      const failures = heldMs >= STABLE_MS ? 0 : (facts.peek()?.failures ?? 0)
      const atOnce = readyAt !== undefined && AT_ONCE.has(code) && failures < AT_ONCE_MAX
      lost(failures + 1)
      if (code === CROWDED) {
        pollIn(0)
        return connectIn(CROWDED_MS * (0.5 + platform.random() / 2))
      }
      connectIn(platform.random() * (atOnce ? BACKOFF_FIRST_MS : backoff(failures)))
    }

    function lost(failures: number) {
      if (readyAt !== undefined) pollIn(POLL_MS)
      readyAt = undefined
      note({ connected: false, failures })
    }

    function connectIn(delayMs: number) {
      cancelRetry()
      retryAt.value = platform.now() + delayMs
      cancelRetry = visit.after(delayMs, connect)
    }

    function pollIn(delayMs: number) {
      cancelPoll()
      cancelPoll = visit.after(delayMs, () => void poll())
    }

    async function poll() {
      const letters = await lettersAfter(visit, seen)
      if (visit.ended) return
      if (letters) for (const letter of letters) give(letter, seen)
      if (readyAt !== undefined) return
      note({ pollWorks: letters !== undefined })
      pollIn(POLL_MS)
    }

    visit.onEnd(() => closeSocket())
    pollIn(POLL_MS)
    connect()
    return reconnect
  }

  /** Letters that came since, oldest first; undefined when the service does not answer. */
  async function lettersAfter({ userId, signal }: Visit, seen: Seen): Promise<Letter[] | undefined> {
    const before = seen.seq()
    const found: Letter[] = []
    let cursor = ''
    for (let pages = 0; pages < POLL_PAGES_MAX; pages++) {
      const answer = await api.get<Page<Letter>>(`/notifications?limit=${POLL_PAGE}${cursor}`, { userId, signal })
      if (!answer.ok) return undefined
      const { items, next } = answer.value
      // Unless a socket was faster: then this answer may be older than what it brought.
      if (pages === 0 && seen.seq() === before) synchronise(seen, items[0]?.seq ?? 0)
      const fresh = items.filter(seen.isNew)
      found.push(...fresh)
      if (next === null || fresh.length < items.length) break
      cursor = `&cursor=${encodeURIComponent(next)}`
    }
    return found.reverse()
  }

  /** The server's highest seq: where a first visit begins, and where to go on when its file was restored. */
  function synchronise(seen: Seen, seq: number) {
    const ours = seen.seq()
    if (ours === undefined || seq < ours) seen.start(seq, platform.now())
    highest.value = seq
  }

  function give(letter: Letter, seen: Seen) {
    // Also of a letter that a poll was first to give: the `ready` behind it may have told of less.
    if (letter.seq > (highest.peek() ?? 0)) highest.value = letter.seq
    if (!seen.isNew(letter)) return
    const receivedAt = platform.now()
    seen.add(letter)
    batch(() => {
      for (const listener of listeners) listener(letter, receivedAt)
    })
  }

  visits.each((visit) => {
    let first = true // subscribe() calls at once
    const unsubscribe = platform.online.subscribe((online) => {
      // Back: at once. Gone: a new connection shows whether it is true; on a machine of its own it often is not.
      if (!first) current?.reconnect(online ? platform.random() * BACKOFF_FIRST_MS : 0)
      first = false
    })
    visit.onEnd(unsubscribe)
  })

  return {
    state: computed(() => stateOf(facts.value, platform.online.value)),
    retryAt,
    retryNow() {
      if (facts.peek()?.connected === false) current?.reconnect(0)
    },
    onLetter(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    highest,
    given: () => current?.seen.seq(),
  }
}

const backoff = (failures: number) => Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** failures)

function stateOf(facts: Facts | undefined, online: boolean): LiveState {
  if (!facts) return 'off'
  if (facts.connected) return 'live'
  if (facts.pollWorks) return 'polling'
  if (facts.failures === 0) return 'connecting'
  return online ? 'retrying' : 'offline'
}
