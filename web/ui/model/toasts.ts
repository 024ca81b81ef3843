/** Short messages about what happened: one per letter, and per failed action that nobody was waiting for. */
import type { Letter, Order } from '@checkout/contracts/http.ts'
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals-core'
import { type Notice, parseNotice, sayNotice, type Toast } from './notice.ts'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'
import { asList, type Store, userKey } from './storage.ts'
import type { Visits } from './visit.ts'

export interface Toasts {
  /** Oldest first. */
  shown: ReadonlySignal<readonly Toast[]>
  /** Newest first, in the language of now. */
  history: ReadonlySignal<readonly Toast[]>
  dismiss(id: string): void
  /** The pointer or the focus is on it: it stays. */
  pause(id: string): void
  resume(id: string): void
  clearHistory(): void
}

/** How long good news stay; bad ones stay until they are dismissed. */
const SHOWN_MS = 8_000
/** What remains at least when the pointer leaves: time to notice that it is going. */
const REMAINING_MIN_MS = 2_000
/** A long backlog would cover the page; what is not shown is in the history. */
const SHOWN_MAX = 20
const HISTORY_MAX = 50

export interface ToastsDeps {
  platform: Platform
  store: Store
  visits: Visits
  settings: Settings
  newId(): string
}

export type OwnToasts = Toasts & {
  /** Shows a letter; `order` is what is known of its order. */
  announce(letter: Letter, order: Order | undefined): Toast
  /** Shows that something nobody was waiting for did not work. */
  refused(refused: NonNullable<Notice['refused']>): void
  /** An order was read: toasts about it can say more. */
  learn(order: Order): void
  /** Looks again at the history that tabs share. */
  reread(): void
}

/** A shown toast's clock. It runs while the page is visible and nothing is on the toast. */
interface Clock {
  paused: boolean
  remainingMs: number
  startedAt: number
  stop: (() => void) | undefined
}

export function createToasts({ platform, store, visits, settings, newId }: ToastsDeps): OwnToasts {
  const shown = signal<readonly Notice[]>([])
  const history = signal<readonly Notice[]>([])
  const clocks = new Map<string, Clock>()
  const say = (notice: Notice): Toast => sayNotice(notice, settings)

  visits.each((visit) => {
    history.value = stored(visit.userId)
    let first = true // subscribe() calls at once
    const unsubscribe = platform.visible.subscribe((visible) => {
      for (const id of first ? [] : clocks.keys()) visible ? run(id) : halt(id)
      first = false
    })
    visit.onEnd(() => {
      unsubscribe()
      clocks.clear()
      shown.value = []
      history.value = []
    })
  })

  const stored = (userId: string) => store.read(userKey('toasts', userId), asList(parseNotice)) ?? []

  /** Read, changed and written without a pause: the history is common to the tabs. */
  function changeHistory(change: (history: readonly Notice[]) => readonly Notice[]) {
    const userId = visits.current.peek()?.userId
    if (userId === undefined) return
    history.value = change(stored(userId)).slice(0, HISTORY_MAX)
    store.write(userKey('toasts', userId), history.value)
  }

  function show(notice: Notice) {
    batch(() => {
      const isRecorded = (other: Notice) => notice.letterId !== undefined && other.letterId === notice.letterId
      changeHistory((past) => (past.some(isRecorded) ? past : [notice, ...past]))
      shown.value = [...shown.peek(), notice]
      const alike = shown.peek().filter(({ kind }) => stays(kind) === stays(notice.kind))
      for (const { id } of alike.slice(0, -SHOWN_MAX)) dismiss(id)
    })
    if (stays(notice.kind)) return
    clocks.set(notice.id, { paused: false, remainingMs: SHOWN_MS, startedAt: 0, stop: undefined })
    run(notice.id)
  }

  function run(id: string) {
    const clock = clocks.get(id)
    if (!clock || clock.stop || clock.paused || !platform.visible.peek()) return
    clock.startedAt = platform.monotonic()
    clock.stop = visits.current.peek()?.after(clock.remainingMs, () => dismiss(id))
  }

  function halt(id: string) {
    const clock = clocks.get(id)
    if (!clock?.stop) return
    clock.stop()
    clock.stop = undefined
    const left = clock.remainingMs - (platform.monotonic() - clock.startedAt)
    clock.remainingMs = Math.max(REMAINING_MIN_MS, left)
  }

  function dismiss(id: string) {
    halt(id)
    clocks.delete(id)
    shown.value = shown.peek().filter((notice) => notice.id !== id)
  }

  return {
    shown: computed(() => shown.value.map(say)),
    history: computed(() => history.value.map(say)),
    dismiss,
    pause(id) {
      halt(id)
      const clock = clocks.get(id)
      if (clock) clock.paused = true
    },
    resume(id) {
      const clock = clocks.get(id)
      if (clock) clock.paused = false
      run(id)
    },
    clearHistory: () => changeHistory(() => []),
    announce({ id, kind, orderId, seq, subject }, order) {
      const notice: Notice = {
        id: newId(),
        kind,
        at: platform.now(),
        orderId,
        letterId: id,
        letterSeq: seq,
        subject,
        ...(order && { order: factsOf(order) }),
      }
      show(notice)
      return say(notice)
    },
    refused: (refused) => show({ id: newId(), kind: 'refused', at: platform.now(), orderId: null, refused }),
    learn(order) {
      const isAbout = (notice: Notice) => notice.orderId === order.id && isLess(notice.order, order)
      const tell = (notice: Notice) => (isAbout(notice) ? { ...notice, order: factsOf(order) } : notice)
      if (shown.peek().some(isAbout)) shown.value = shown.peek().map(tell)
      if (history.peek().some(isAbout)) changeHistory((past) => past.map(tell))
    },
    reread() {
      const userId = visits.current.peek()?.userId
      if (userId !== undefined) history.value = stored(userId)
    },
  }
}

const stays = (kind: Notice['kind']) => kind === 'order_failed' || kind === 'refused'

const factsOf = ({ amount, currency, description, failureReason }: Order) => ({
  amount,
  currency,
  description,
  failureReason,
})

const isLess = (known: Notice['order'], order: Order) =>
  known === undefined || (known.failureReason === null && order.failureReason !== null)
