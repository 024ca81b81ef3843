/** Who uses this tab: the users known to this browser and the current one. */
import type { User } from '@checkout/contracts/http.ts'
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import { failure, type Result } from './failure.ts'
import { asList, asString, fieldsOf, type Store, userEntries, userKey } from './storage.ts'

export interface KnownUser {
  id: string
  name: string
}

export interface Registration {
  /** An id of one's own; without it the service makes one. */
  id?: string
  name: string
  email: string
}

export interface Session {
  users: ReadonlySignal<readonly KnownUser[]>
  current: ReadonlySignal<KnownUser | undefined>
  /** POST /users; the new user becomes the current one. A taken id is a failure on the field '/id'. */
  register(input: Registration): Promise<Result>
  /** A user who registered elsewhere; unknown to the service: failure on the field '/id'. */
  enter(id: string): Promise<Result>
  switchTo(id: string): void
  /** Removes the user and everything kept about them from this browser. */
  forget(id: string): void
  /** Nobody is current then in this tab, also after a reload. */
  leave(): void
}

const USER_ID = /^[A-Za-z0-9_-]{1,64}$/
/** In the tab's storage: the tab's user. In the browser's: who was used last, for new tabs. */
const CURRENT = 'user'
/** In the tab's storage: nobody, by choice. */
const NOBODY = ''

export interface SessionDeps {
  api: Api
  /** The browser's storage. */
  store: Store
  /** The tab's storage. */
  tab: Store
  /** Called before a user who has just registered becomes the current one. */
  onRegistered(userId: string): void
}

export type OwnSession = Session & {
  /** Looks again at what other tabs may have changed. */
  reread(): void
}

export function createSession({ api, store, tab, onRegistered }: SessionDeps): OwnSession {
  const readUsers = () => store.read('users', asList(toKnownUser)) ?? []
  const users = signal<readonly KnownUser[]>(readUsers())
  const currentId = signal(tab.read(CURRENT, asString) ?? store.read(CURRENT, asString))
  const current = computed(() => users.value.find(({ id }) => id === currentId.value))
  /** Grows with every choice of a user: an answer to an older one does not move the tab to another user any more. */
  let choices = 0
  let registering: { input: string; result: Promise<Result> } | undefined

  /** Read, changed and written without a pause, so that two tabs do not lose each other's users. */
  function changeUsers(change: (known: readonly KnownUser[]) => readonly KnownUser[]) {
    users.value = change(readUsers())
    store.write('users', users.value)
  }

  function choose(id: string) {
    choices++
    currentId.value = id
    tab.write(CURRENT, id)
    if (id !== NOBODY) store.write(CURRENT, id)
  }

  function removeEntries(id: string) {
    for (const entry of userEntries) store.remove(userKey(entry, id))
    if (store.read(CURRENT, asString) === id) store.remove(CURRENT)
  }

  function welcome({ id, name }: User, choice: number): Result {
    batch(() => {
      changeUsers((known) => [...known.filter((user) => user.id !== id), { id, name }])
      if (choice === choices) choose(id)
    })
    return { ok: true }
  }

  async function register({ id, name, email }: Registration): Promise<Result> {
    const choice = ++choices
    const body = { name: name.trim(), email: email.trim() }
    const userId = id?.trim() || undefined
    if (userId !== undefined && !USER_ID.test(userId)) {
      // It goes out as a header, so the API would not get to the other fields: they are looked at here, to say all at once.
      const problem = failure('validation_failed', 'Some fields are not valid.', {
        ...(body.name === '' && { '/name': 'must not be empty' }),
        ...(body.email === '' && { '/email': 'must not be empty' }),
      })
      return wrongId('must be a user id', problem)
    }
    const answer = await api.post<User>('/users', body, { userId })
    if (answer.ok) {
      onRegistered(answer.value.id)
      return welcome(answer.value, choice)
    }
    if (answer.problem.code !== 'user_exists') return answer
    // Perhaps it is this very registration: it arrived, and only its answer was lost.
    const known = await api.get<User>('/users/me', { userId })
    if (known.ok && known.value.name === body.name && known.value.email === body.email)
      return welcome(known.value, choice)
    return wrongId('is taken', answer.problem)
  }

  return {
    users,
    current,
    register(input) {
      const text = JSON.stringify(input)
      // A double click is one registration.
      if (registering?.input === text) return registering.result
      const result = register(input).finally(() => {
        if (registering?.result === result) registering = undefined
      })
      registering = { input: text, result }
      return result
    },
    async enter(id) {
      const choice = ++choices
      const userId = id.trim()
      if (userId === '') return wrongId('must not be empty')
      if (!USER_ID.test(userId)) return wrongId('must be a user id')
      const answer = await api.get<User>('/users/me', { userId })
      if (answer.ok) return welcome(answer.value, choice)
      return answer.problem.code === 'user_not_found' ? wrongId('is not registered', answer.problem) : answer
    },
    switchTo(id) {
      if (users.peek().some((user) => user.id === id)) choose(id)
    },
    forget(id) {
      batch(() => {
        // First the user goes, so that nothing of the visit writes behind the removal.
        changeUsers((known) => known.filter((user) => user.id !== id))
        if (currentId.peek() === id) choose(NOBODY)
      })
      removeEntries(id)
    },
    leave: () => choose(NOBODY),
    reread() {
      const here = current.peek()?.id
      users.value = readUsers()
      // Another tab forgot this tab's user; what was kept here since then goes as well.
      if (here !== undefined && !current.peek()) removeEntries(here)
    },
  }
}

const wrongId = (message: string, problem = failure('validation_failed', 'The id is not valid.')): Result => ({
  ok: false,
  problem: { ...problem, fields: { ...problem.fields, '/id': message } },
})

function toKnownUser(value: unknown): KnownUser | undefined {
  const { id, name } = fieldsOf(value)
  return typeof id === 'string' && USER_ID.test(id) && typeof name === 'string' ? { id, name } : undefined
}
