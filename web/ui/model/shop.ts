/** The view-model of the whole application, and the only file that wires its parts together. */
import type { Letter } from '@checkout/contracts/http.ts'
import { computed, effect, type ReadonlySignal, type Signal, signal, untracked } from '@preact/signals-core'
import { type AccountModel, createAccount } from './account.ts'
import { createApi } from './api.ts'
import { type Checkout, createCheckout } from './checkout.ts'
import { createJourneys, type Journeys } from './journeys.ts'
import { createLetters, type LettersModel } from './letters.ts'
import { createLive, type Live, type LiveState } from './live.ts'
import type { Notice, Toast } from './notice.ts'
import { createOrders, type OrdersModel } from './orders.ts'
import type { Permission, Platform } from './platform.ts'
import type { Route } from './route.ts'
import { openSeen } from './seen.ts'
import { createSession, type Session } from './session.ts'
import { createSettings, type Settings } from './settings.ts'
import { createStore } from './storage.ts'
import { createSystem, type SystemModel } from './system.ts'
import { createToasts, type Toasts } from './toasts.ts'
import { createVisits } from './visit.ts'

export interface Shop {
  settings: Settings
  session: Session
  account: AccountModel
  orders: OrdersModel
  checkout: Checkout
  letters: LettersModel
  live: Live
  toasts: Toasts
  journeys: Journeys
  system: SystemModel
  /** Browser notifications. */
  notifications: { permission: ReadonlySignal<Permission>; request(): Promise<void> }
  /** main.tsx keeps it and location.hash the same, both ways: the model sets it when a notification is clicked. */
  route: Signal<Route>
  start(): void
  stop(): void
}

export function createShop(platform: Platform): Shop {
  const api = createApi(platform)
  const visits = createVisits(platform)
  const store = createStore(platform.storage)
  const tab = createStore(platform.tab)
  const { newId, now } = platform
  const deps = { platform, api, visits, store, newId, now }

  const settings = createSettings(platform)
  const toasts = createToasts({ ...deps, settings })
  const session = createSession({
    api,
    store,
    tab,
    // Whoever has just registered has no letters: every one from the first on is news.
    onRegistered: (userId) => openSeen(store, userId).start(0, now()),
  })
  const live = createLive(deps)
  const { language } = settings
  const account = createAccount({
    ...deps,
    language,
    onRefused: ({ kind, amount }, problem, userId) => refused(userId, { action: kind, amount, problem }),
  })
  const orders = createOrders({
    ...deps,
    onRead(order) {
      account.learnCurrency(order.currency)
      toasts.learn(order)
    },
  })
  const checkout = createCheckout({
    ...deps,
    language,
    confirmedCurrency: account.confirmedCurrency,
    onPlaced: orders.placed,
    onRefused: (order, problem, userId) => refused(userId, { action: 'order', ...order, problem }),
  })
  const letters = createLetters({ ...deps, live })
  const journeys = createJourneys({ ...deps, live })
  const system = createSystem({ ...deps, userId: () => session.current.peek()?.id })
  const route = signal<Route>({ name: 'home' })

  function refused(userId: string, what: Omit<NonNullable<Notice['refused']>, 'currency'>) {
    if (visits.current.peek()?.userId !== userId) return
    toasts.refused({ ...what, currency: account.currency.peek() })
  }

  function letterCame(letter: Letter) {
    const { id, orderId } = letter
    const toast = toasts.announce(letter, orderId === null ? undefined : orders.known(orderId))
    if (orderId !== null) {
      orders.changed(orderId)
      void account.refresh()
    }
    if (!platform.visible.peek()) notify(id, toast)
  }

  /** The browser's own notification, for a page that nobody sees now. The letter's id makes it one over all tabs. */
  function notify(tag: string, { title, text, orderId, letterSeq }: Toast) {
    if (platform.notifier.permission.peek() !== 'granted') return
    platform.notifier.show(title, text, tag, () => {
      if (orderId !== null) route.value = { name: 'order', id: orderId }
      else if (letterSeq !== undefined) route.value = { name: 'letter', seq: letterSeq }
    })
  }

  function resume() {
    checkout.resume()
    account.resume()
  }

  /** The shop can be reached again: what could not be read or sent meanwhile. */
  function catchUp() {
    resume()
    void account.refresh()
    orders.catchUp()
    void letters.list.refresh()
  }

  /** Somebody looks again: what may have been done elsewhere meanwhile, in other tabs for instance. */
  function lookAgain() {
    session.reread()
    toasts.reread()
    letters.reread()
    void account.refresh()
    orders.catchUp()
  }

  function followUser(): () => void {
    const userId = computed(() => session.current.value?.id)
    const dispose = effect(() => visits.begin(userId.value))
    return () => {
      dispose()
      visits.begin(undefined)
    }
  }

  let stops: (() => void)[] = []
  return {
    settings,
    session,
    account,
    orders,
    checkout,
    letters,
    live,
    toasts,
    journeys,
    system,
    notifications: { permission: platform.notifier.permission, request: () => platform.notifier.request() },
    route,
    start() {
      if (stops.length > 0) return
      stops = [
        settings.start(),
        live.onLetter(letterCame),
        followUser(),
        onChange(platform.visible, (visible) => visible && lookAgain()),
        onChange(platform.online, (online) => online && resume()),
        onChange(live.state, (state, before) => cameBack(state, before) && catchUp()),
      ]
    },
    stop() {
      for (const stop of stops) stop()
      stops = []
      system.stop()
      api.close()
    },
  }
}

/** Calls at every change from now on; returns the way to stop. */
function onChange<T>(source: ReadonlySignal<T>, changed: (value: T, before: T) => void): () => void {
  let before = source.peek()
  return source.subscribe((value) => {
    const last = before
    before = value
    if (value !== last) untracked(() => changed(value, last))
  })
}

/** The first connection of a visit is none: everything has just been read. */
const cameBack = (state: LiveState, before: LiveState) =>
  (state === 'live' || state === 'polling') && before !== 'off' && before !== 'connecting'
