/** The model's surroundings in tests: real fetch and WebSocket, storage in memory, and a clock that tests move. */
import type { Signal } from '@preact/signals-core'
import { signal } from '@preact/signals-core'
import type { Test } from 'tap'
import type { KeyValue, Notifier, Permission, Platform } from '../ui/model/platform.ts'
import { createShop, type Shop } from '../ui/model/shop.ts'

export const START_MS = Date.parse('2026-11-22T10:00:00.000Z')

export interface Stage {
  platform: Platform
  online: Signal<boolean>
  visible: Signal<boolean>
  permission: Signal<Permission>
  /** What browser notifications were shown. */
  notified: { title: string; text: string; tag: string; click(): void }[]
  /** Moves the clock, running the timers that fall due on the way, each at its time. */
  advance(ms: number): Promise<void>
  /** Timers that are set now. */
  timers(): number
  /** In how many ms each of them falls due. */
  due(): number[]
  /** How many of the platform's signals somebody is subscribed to. */
  watched(): number
}

export interface StageOptions {
  origin: string
  storage?: KeyValue
  tab?: KeyValue
  random?: () => number
  /** Called before each request goes out. */
  onFetch?: (url: string) => void
}

let ids = 0

export function createStage({
  origin,
  storage = memory(),
  tab = memory(),
  random = () => 0.5,
  onFetch,
}: StageOptions): Stage {
  let watched = 0
  const watching = { watched: () => void watched++, unwatched: () => void watched-- }
  const online = signal(true, watching)
  const visible = signal(true, watching)
  const permission = signal<Permission>('default')
  const notified: Stage['notified'] = []
  let elapsedMs = 0
  let timers: { at: number; run: () => void }[] = []

  const notifier: Notifier = {
    permission,
    request: async () => {
      permission.value = 'granted'
    },
    show: (title, text, tag, click) => void notified.push({ title, text, tag, click }),
  }
  const platform: Platform = {
    fetch(input, init) {
      onFetch?.(String(input))
      return fetch(input, init)
    },
    WebSocket,
    origin,
    tab,
    storage,
    now: () => START_MS + elapsedMs,
    monotonic: () => elapsedMs,
    random,
    newId: () => `id-${++ids}`,
    setTimeout(run, delayMs) {
      const timer = { at: elapsedMs + delayMs, run }
      timers.push(timer)
      return timer
    },
    clearTimeout(timer) {
      timers = timers.filter((other) => other !== timer)
    },
    online,
    visible,
    notifier,
    languages: ['en-GB', 'ru'],
    prefersDark: signal(false),
  }

  async function advance(ms: number) {
    const until = elapsedMs + ms
    for (;;) {
      const [next] = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
      if (!next) break
      timers = timers.filter((timer) => timer !== next)
      elapsedMs = Math.max(elapsedMs, next.at)
      next.run()
      await breathe()
    }
    elapsedMs = until
    await breathe()
  }

  return {
    platform,
    online,
    visible,
    permission,
    notified,
    advance,
    timers: () => timers.length,
    due: () => timers.map(({ at }) => at - elapsedMs),
    watched: () => watched,
  }
}

/** Lets everything that can go on without the network or the clock go on. */
export const breathe = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Storage like a browser's, that several stages may share as tabs do. */
export function memory(): KeyValue & { readonly data: Map<string, string> } {
  const data = new Map<string, string>()
  return {
    data,
    getItem: (key) => data.get(key) ?? null,
    setItem: (key, value) => void data.set(key, value),
    removeItem: (key) => void data.delete(key),
  }
}

/** Storage as in a locked-down browser: every use throws. */
export const forbidden: KeyValue = {
  getItem: () => refuse(),
  setItem: () => refuse(),
  removeItem: () => refuse(),
}
function refuse(): never {
  throw new DOMException('The operation is insecure.', 'SecurityError')
}

/** A started shop; stopped when the test ends, and checked for timers and subscriptions that it left. */
export function openShop(t: Test, options: StageOptions): Stage & { shop: Shop } {
  const stage = createStage(options)
  const shop = createShop(stage.platform)
  shop.start()
  t.teardown(async () => {
    shop.stop()
    await breathe()
    if (stage.timers() > 0) throw new Error(`${stage.timers()} timers left after stop()`)
    if (stage.watched() > 0) throw new Error('subscriptions left after stop()')
  })
  return { ...stage, shop }
}
