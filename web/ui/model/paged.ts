/** A list that is read page by page, newest first. */
import type { Page } from '@checkout/contracts/http.ts'
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import type { Failure } from './failure.ts'
import { createRefresher } from './refresher.ts'
import type { Visits } from './visit.ts'

export interface Paged<T> {
  items: ReadonlySignal<readonly T[]>
  /** idle: not asked for yet. loading: for the first page, or for more. ready also while it is refreshed behind the scenes. */
  state: ReadonlySignal<'idle' | 'loading' | 'ready' | 'failed'>
  problem: ReadonlySignal<Failure | undefined>
  more: ReadonlySignal<boolean>
  loadMore(): Promise<void>
  /** From the start: what is shown goes. */
  reload(): Promise<void>
  /** Looks for what is new at the top; what is shown stays. */
  refresh(): Promise<void>
}

const PAGE_SIZE = 20

export interface PagedOptions<T> {
  api: Api
  visits: Visits
  /** The list's path with its query, without limit and cursor; it may change before a reload(). */
  path(): string
  /** Whether an item belongs into the list as it is now; by default each does. */
  belongs?(item: T): boolean
  /** Which of two copies of an item tells more; by default the one that was read last. */
  newer?(known: T, read: T): T
  /** Grows from item to item as they come into being; without it what is put in counts as the newest. */
  rank?(item: T): number
  /** Called with what each page brought. */
  onRead?(items: readonly T[]): void
}

export interface OwnPaged<T> extends Paged<T> {
  /** Puts in an item that has come into being: where it belongs, or in its place if the list has it already. */
  put(item: T): void
  /** Takes in a newer copy of an item, if the list has it. */
  update(item: T): void
}

/** Nothing is read before the first reload(); a new visit empties the list. */
export function createPaged<T extends { id: string }>(options: PagedOptions<T>): OwnPaged<T> {
  const { api, visits, rank, belongs = () => true, newer = (_known, read) => read, onRead = () => {} } = options
  const items = signal<readonly T[]>([])
  const state = signal<'idle' | 'loading' | 'ready' | 'failed'>('idle')
  const problem = signal<Failure | undefined>(undefined)
  const next = signal<string | null>(null)
  /** Grows whenever the list starts over: answers of before are dropped. */
  let generation = 0
  let loading: Promise<void> | undefined
  /** Items that came by put() while a page was on its way: that page may have been read before them. */
  const putMeanwhile = new Map<string, T>()
  let reading = 0

  function startOver(to: 'idle' | 'loading') {
    generation++
    loading = undefined
    putMeanwhile.clear()
    batch(() => {
      items.value = []
      next.value = null
      problem.value = undefined
      state.value = to
    })
  }
  visits.each((visit) => visit.onEnd(() => startOver('idle')))

  /** undefined when the answer came too late to be used. */
  async function read(cursor: string | null) {
    const visit = visits.current.peek()
    if (!visit) return undefined
    const mine = generation
    reading++
    const { userId, signal } = visit
    const answer = await api.get<Page<T>>(withPage(options.path(), cursor), { userId, signal })
    reading--
    return mine === generation && !visit.ended ? answer : undefined
  }

  /** `merge` is given the page with each item in its newest copy. */
  function apply(page: Page<T>, merge: (fresh: readonly T[]) => readonly T[]) {
    const known = new Map(items.peek().map((item) => [item.id, item]))
    const fresh = page.items.map((item) => {
      const before = known.get(item.id)
      return before ? newer(before, item) : item
    })
    items.value = merge(fresh.filter(belongs))
    for (const item of putMeanwhile.values()) place(item)
    if (reading === 0) putMeanwhile.clear()
    onRead(fresh)
  }

  async function load(cursor: string | null) {
    const answer = await read(cursor)
    if (!answer) return
    loading = undefined // before the state says so: whoever sees it may want the next page
    batch(() => {
      state.value = answer.ok ? 'ready' : 'failed'
      problem.value = answer.ok ? undefined : answer.problem
      // A refresh may have replaced the list meanwhile; then this page does not continue it.
      if (!answer.ok || next.peek() !== cursor) return
      next.value = answer.value.next
      // What the first page finds there came by put(), which apply() does again.
      apply(answer.value, (fresh) => (cursor === null ? fresh : [...items.peek(), ...absentFrom(items.peek(), fresh)]))
    })
  }

  function begin(cursor: string | null): Promise<void> {
    state.value = 'loading'
    loading = load(cursor)
    return loading
  }

  function reload(): Promise<void> {
    startOver(visits.current.peek() ? 'loading' : 'idle')
    return visits.current.peek() ? begin(null) : Promise.resolve()
  }

  const refresh = createRefresher(async () => {
    if (loading) await loading
    if (state.peek() === 'idle') return
    if (state.peek() === 'failed' && items.peek().length === 0) return reload()
    const answer = await read(null)
    if (!answer?.ok) return // what is shown stays; the next refresh may have more luck
    const page = answer.value
    batch(() =>
      apply(page, (fresh) => {
        const last = fresh.at(-1)
        const meets = last === undefined ? -1 : items.peek().findIndex(({ id }) => id === last.id)
        if (meets >= 0) return [...fresh, ...absentFrom(fresh, items.peek().slice(meets + 1))]
        // More is new than a page has: what is shown is too old to join on, so the list starts anew.
        next.value = page.next
        return fresh
      }),
    )
  })

  function place(item: T) {
    const list = items.peek()
    const index = list.findIndex(({ id }) => id === item.id)
    const known = list[index]
    const newest = known ? newer(known, item) : item
    if (!belongs(newest)) items.value = list.filter(({ id }) => id !== item.id)
    else items.value = known ? list.with(index, newest) : inserted(newest, list)
  }

  /** Letters that were missed come oldest first, and behind the page that was read meanwhile. */
  function inserted(item: T, list: readonly T[]): readonly T[] {
    if (!rank) return [item, ...list]
    const older = list.findIndex((other) => rank(other) < rank(item))
    if (older >= 0) return list.toSpliced(older, 0, item)
    // Older than all that is shown: it comes with its page.
    return next.peek() === null ? [...list, item] : list
  }

  return {
    items,
    state,
    problem,
    more: computed(() => next.value !== null),
    reload,
    refresh,
    async loadMore() {
      if (loading) return loading
      if (items.peek().length === 0 && state.peek() !== 'ready') return reload()
      if (next.peek() !== null) return begin(next.peek())
    },
    put(item) {
      if (state.peek() === 'idle') return
      if (reading > 0) putMeanwhile.set(item.id, item)
      place(item)
    },
    update(item) {
      if (items.peek().some(({ id }) => id === item.id)) place(item)
    },
  }
}

function withPage(path: string, cursor: string | null): string {
  const query = `limit=${PAGE_SIZE}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
  return `${path}${path.includes('?') ? '&' : '?'}${query}`
}

function absentFrom<T extends { id: string }>(list: readonly T[], candidates: readonly T[]): T[] {
  const ids = new Set(list.map(({ id }) => id))
  return candidates.filter(({ id }) => !ids.has(id))
}
