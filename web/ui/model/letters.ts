/** The user's letters. */
import type { Letter } from '@checkout/contracts/http.ts'
import { computed, effect, type ReadonlySignal, signal, untracked } from '@preact/signals-core'
import type { Api } from './api.ts'
import { failure, loading, noUser, type Remote, type Result } from './failure.ts'
import type { OwnLive } from './live.ts'
import { createPaged, type Paged } from './paged.ts'
import { asNumber, type Store, userKey } from './storage.ts'
import type { Visits } from './visit.ts'

export interface LettersModel {
  list: Paged<Letter>
  /** One letter by its number; pages are loaded until it is there. */
  one(seq: number): ReadonlySignal<Remote<Letter>>
  unread: ReadonlySignal<number>
  /** Whether this letter counts as unread. */
  isUnread(letter: Letter): boolean
  markRead(): void
  send(input: { subject: string; body: string }): Promise<Result>
}

export interface LettersDeps {
  api: Api
  store: Store
  visits: Visits
  live: OwnLive
}

export type OwnLetters = LettersModel & {
  /** Looks again at what another tab may have marked as read. */
  reread(): void
}

export function createLetters({ api, store, visits, live }: LettersDeps): OwnLetters {
  const list = createPaged<Letter>({ api, visits, path: () => '/notifications', newer, rank: ({ seq }) => seq })
  const views = new Map<number, ReadonlySignal<Remote<Letter>>>()
  /** Letters up to this seq are read; undefined until a first visit knows how many there are. */
  const read = signal<number | undefined>(undefined)
  const highest = computed(() => live.highest.value ?? list.items.value[0]?.seq)
  let sending: { input: string; result: Promise<Result> } | undefined

  const stored = (userId: string) => store.read(userKey('letters.read', userId), asNumber)
  function setRead(seq: number) {
    const visit = visits.current.peek()
    if (!visit) return
    read.value = seq
    store.write(userKey('letters.read', visit.userId), seq)
  }

  visits.each((visit) => {
    // A user who has registered here has read nothing yet; of others' earlier letters nobody knows.
    const known = stored(visit.userId)
    read.value = known ?? live.given()
    // Kept at once: after a reload live.given() is beyond what nobody has read yet.
    if (known === undefined && read.value !== undefined) store.write(userKey('letters.read', visit.userId), read.value)
    visit.onEnd(
      effect(() => {
        if (highest.value === undefined) return
        if (read.value === undefined) setRead(highest.value)
        // The server's file was restored: what is numbered anew from here on is unread.
        else if (read.value > highest.value) read.value = highest.value
      }),
    )
    visit.onEnd(live.onLetter((letter) => list.put(letter)))
    void list.reload()
  })

  async function send(input: { subject: string; body: string }): Promise<Result> {
    const visit = visits.current.peek()
    if (!visit) return noUser
    const answer = await api.post<Letter>('/notifications', input, { userId: visit.userId })
    if (answer.ok && !visit.ended) list.put(answer.value)
    return answer
  }

  /** Loads page after page for as long as the letter is not there; begins anew whenever the list does. */
  function seek(seq: number): () => void {
    return effect(() => {
      if (list.state.value !== 'ready' || !list.more.value) return
      if (!list.items.value.some((letter) => letter.seq === seq)) untracked(() => void list.loadMore())
    })
  }

  return {
    list,
    one(seq) {
      const before = views.get(seq)
      if (before) return before
      let stop: (() => void) | undefined
      const view = computed(() => oneOf(list, seq), {
        // Not at once: this is called while a view is being drawn.
        watched: () =>
          void Promise.resolve().then(() => {
            stop ??= seek(seq)
          }),
        unwatched() {
          void Promise.resolve().then(() => {
            stop?.()
            stop = undefined
          })
        },
      })
      views.set(seq, view)
      return view
    },
    unread: computed(() => Math.max(0, (highest.value ?? 0) - (read.value ?? highest.value ?? 0))),
    isUnread: (letter) => read.value !== undefined && letter.seq > read.value,
    markRead() {
      if (highest.peek() !== undefined) setRead(highest.peek() ?? 0)
    },
    send(input) {
      const text = JSON.stringify(input)
      // There is no key that would make two of these one, so a double click must not send two.
      if (sending?.input === text) return sending.result
      const result = send(input).finally(() => {
        if (sending?.result === result) sending = undefined
      })
      sending = { input: text, result }
      return result
    },
    reread() {
      const visit = visits.current.peek()
      const elsewhere = visit && stored(visit.userId)
      if (elsewhere !== undefined) read.value = elsewhere
    },
  }
}

function oneOf({ items, state, problem, more }: Paged<Letter>, seq: number): Remote<Letter> {
  const letter = items.value.find((other) => other.seq === seq)
  if (letter) return { state: 'ready', value: letter }
  if (problem.value) return { state: 'failed', problem: problem.value }
  if (state.value !== 'ready' || more.value) return loading
  return { state: 'failed', problem: failure('letter_not_found', 'There is no such letter.') }
}

/** A push may overtake, or be overtaken by, a read: a letter that was mailed stays mailed. */
const newer = (known: Letter, read: Letter): Letter => (known.sentAt !== null && read.sentAt === null ? known : read)
