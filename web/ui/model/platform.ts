/** What the model needs of its surroundings. main.tsx gives the browser's, tests give others. */
import type { ReadonlySignal } from '@preact/signals-core'

export interface Platform {
  fetch: typeof fetch
  /** The WHATWG one. */
  WebSocket: new (
    url: string,
  ) => WebSocket
  /** Such as 'http://localhost:8080', without a slash at the end. */
  origin: string
  /** sessionStorage: this tab's user. */
  tab: KeyValue
  /** localStorage: shared by the tabs. */
  storage: KeyValue
  /** Wall clock in ms since 1970. */
  now(): number
  /** A clock that is never set, in ms. */
  monotonic(): number
  /** 0 ≤ x < 1. */
  random(): number
  /** A UUID. */
  newId(): string
  setTimeout(run: () => void, delayMs: number): Timer
  clearTimeout(timer: Timer): void
  online: ReadonlySignal<boolean>
  visible: ReadonlySignal<boolean>
  notifier: Notifier
  /** As in navigator.languages. */
  languages: readonly string[]
  prefersDark: ReadonlySignal<boolean>
}

/** What the platform's setTimeout gave out: a number in browsers, an object in Node. */
export type Timer = unknown

/** The part of the Web Storage API that is used. Each call may throw (private mode, quota). */
export interface KeyValue {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export type Permission = 'unsupported' | 'default' | 'granted' | 'denied'

/** Browser notifications. */
export interface Notifier {
  readonly permission: ReadonlySignal<Permission>
  /** Asks the user; only on a click. */
  request(): Promise<void>
  /** Shows one; a later one with the same tag takes its place. */
  show(title: string, body: string, tag: string, onClick: () => void): void
}
