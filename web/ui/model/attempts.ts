/**
 * Requests that must happen once, however often they are sent: each is stored with its Idempotency-Key before it goes
 * out, and stays stored until an answer settles it. No answer, 5xx and 429 leave open what happened; then it can be sent
 * again under the same key (by the user, after a reload, when the network is back), and the service answers it as it did
 * the first time.
 */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals-core'
import type { Answer, Api } from './api.ts'
import { type Failure, failure, noUser } from './failure.ts'
import { asList, fieldsOf, type Store, type UserEntry, userKey } from './storage.ts'
import type { Visits } from './visit.ts'

/** Services keep a key for at least 24 h; sent again later, the request would be a new one. */
const KEY_LIFE_MS = 23 * 60 * 60 * 1000

export interface Pending<Input> {
  key: string
  /** When it was first sent: wall clock, ms. */
  at: number
  input: Input
  state: 'sending' | 'unanswered'
  problem?: Failure
}

export interface Attempts<Input, T> {
  /** The current user's. */
  pending: ReadonlySignal<Pending<Input> | undefined>
  /** While another one has no answer: the same input repeats that one, another input is refused (attempt_pending). */
  submit(input: Input): Promise<Answer<T>>
  retry(): Promise<Answer<T>>
  abandon(): void
  /** Sends what is stored and has no answer, one after another, in the background. */
  resume(): void
}

export interface AttemptsOptions<Input, T> {
  api: Api
  store: Store
  visits: Visits
  now(): number
  newId(): string
  entry: UserEntry
  parse(value: unknown): Input | undefined
  request(input: Input): { path: string; body: unknown }
  onDone(value: T, userId: string): void
  /** Only for those sent by resume(): nobody waits for their answer. */
  onRefused(input: Input, problem: Failure, userId: string): void
}

/** What is known of one user's attempts. It outlives the visit: an answer after a switch still settles its request. */
interface Desk<Input, T> {
  userId: string
  pending: Signal<Pending<Input> | undefined>
  flight: Promise<Answer<T>> | undefined
}

type Stored<Input> = Pick<Pending<Input>, 'key' | 'at' | 'input'>

export function createAttempts<Input, T>(options: AttemptsOptions<Input, T>): Attempts<Input, T> {
  const { api, store, visits, now, newId, entry, onDone, onRefused } = options
  const desks = new Map<string, Desk<Input, T>>()

  function deskOf(userId: string): Desk<Input, T> {
    const known = desks.get(userId)
    if (known) return known
    const made: Desk<Input, T> = { userId, pending: signal(undefined), flight: undefined }
    desks.set(userId, made)
    return made
  }
  const desk = () => {
    const visit = visits.current.peek()
    return visit && deskOf(visit.userId)
  }

  const parseStored = asList((value): Stored<Input> | undefined => {
    const { key, at, input: stored } = fieldsOf(value)
    const input = options.parse(stored)
    return typeof key === 'string' && typeof at === 'number' && input !== undefined ? { key, at, input } : undefined
  })
  const stored = (userId: string) => store.read(userKey(entry, userId), parseStored) ?? []
  // A list, changed without a pause: another tab of the same user keeps its attempts here as well.
  function keep(userId: string, { key, at, input }: Stored<Input>) {
    const others = stored(userId).filter((other) => other.key !== key)
    store.write(userKey(entry, userId), [...others, { key, at, input }])
  }
  function drop(userId: string, key: string) {
    const others = stored(userId).filter((other) => other.key !== key)
    if (others.length > 0) store.write(userKey(entry, userId), others)
    else store.remove(userKey(entry, userId))
  }

  function send(desk: Desk<Input, T>, { key, at, input }: Stored<Input>): Promise<Answer<T>> {
    if (now() - at > KEY_LIFE_MS) {
      drop(desk.userId, key)
      desk.pending.value = undefined
      return Promise.resolve({
        ok: false,
        problem: failure('attempt_expired', 'Too long ago to be sent again safely.'),
      })
    }
    keep(desk.userId, { key, at, input })
    desk.pending.value = { key, at, input, state: 'sending' }
    const flight = exchange(desk, { key, at, input }).finally(() => {
      if (desk.flight === flight) desk.flight = undefined
    })
    desk.flight = flight
    return flight
  }

  async function exchange({ userId, pending }: Desk<Input, T>, attempt: Stored<Input>): Promise<Answer<T>> {
    const { key, at, input } = attempt
    const { path, body } = options.request(input)
    const answer = await api.post<T>(path, body, { userId, key })
    const isShown = pending.peek()?.key === key // or it was abandoned meanwhile
    if (answer.ok || settles(answer.problem)) {
      drop(userId, key)
      if (isShown) pending.value = undefined
    } else if (isShown) pending.value = { key, at, input, state: 'unanswered', problem: answer.problem }
    if (answer.ok) onDone(answer.value, userId)
    return answer
  }

  async function resumeAll(desk: Desk<Input, T>) {
    for (;;) {
      if (desk.flight) return
      const kept = stored(desk.userId)
      const shown = desk.pending.peek()
      // Another tab of this user has discarded it, or has got its answer.
      if (shown && !kept.some(({ key }) => key === shown.key)) desk.pending.value = undefined
      const next = desk.pending.peek() ?? kept[0]
      if (!next) return
      const answer = await send(desk, next)
      if (!answer.ok && !settles(answer.problem)) return
      if (!answer.ok) onRefused(next.input, answer.problem, desk.userId)
    }
  }

  return {
    pending: computed(() => {
      const visit = visits.current.value
      return visit && deskOf(visit.userId).pending.value
    }),
    async submit(input) {
      const mine = desk()
      if (!mine) return noUser
      const before = mine.pending.peek()
      if (!before) return send(mine, { key: newId(), at: now(), input })
      if (JSON.stringify(before.input) === JSON.stringify(input)) return mine.flight ?? send(mine, before)
      return { ok: false, problem: failure('attempt_pending', 'The attempt before this one has no answer yet.') }
    },
    async retry() {
      const mine = desk()
      if (!mine) return noUser
      const before = mine.pending.peek()
      if (!before) return { ok: false, problem: failure('nothing_pending', 'It has been answered meanwhile.') }
      return mine.flight ?? send(mine, before)
    },
    abandon() {
      const mine = desk()
      const before = mine?.pending.peek()
      if (!mine || !before) return
      drop(mine.userId, before.key)
      mine.pending.value = undefined
    },
    resume() {
      const mine = desk()
      if (mine) void resumeAll(mine)
    },
  }
}

/**
 * Whether an answer says for good that nothing happened and nothing will. 408 and 429 ask for another try; what is not
 * ours (answer_unreadable) says nothing about the request.
 */
const settles = ({ status, code }: Failure) =>
  code === 'attempt_expired' ||
  (status >= 400 && status < 500 && status !== 408 && status !== 429 && code !== 'answer_unreadable')
