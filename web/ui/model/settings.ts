/** How the user wants it: language and theme, kept in storage, and what is written by them. */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals-core'
import { explain, explainField } from './explain.ts'
import type { Failure } from './failure.ts'
import { formatMoney } from './money.ts'
import type { Platform } from './platform.ts'
import { createStore } from './storage.ts'
import { type Language, type Translate, translator } from './translate.ts'

export type Theme = 'system' | 'light' | 'dark'

export interface Settings {
  language: Signal<Language>
  theme: Signal<Theme>
  /** Whether it is dark now. */
  dark: ReadonlySignal<boolean>
  t: ReadonlySignal<Translate>
  /** Exact. `signed` puts a + or − in front. */
  money(minor: number, currency: string, signed?: boolean): string
  dateTime(iso: string): string
  /** Local time of day with milliseconds, such as 12:03:04.123. */
  clock(iso: string): string
  /** Such as "2 minutes ago"; a component that shows it is drawn again as time goes by. */
  ago(iso: string): string
  /** A duration, such as "4 ms", "1.2 s". */
  duration(ms: number): string
  /** What happened and what to do about it: by the problem's code; an unknown code gives the API's own detail. */
  explain(problem: Failure): string
  /** The message for one field (JSON Pointer such as '/amount'), if there is one. */
  explainField(problem: Failure | undefined, path: string): string | undefined
}

/** How often "2 minutes ago" is looked at again. */
const TICK_MS = 15_000

export type OwnSettings = Settings & {
  /** Lets `ago` follow the time; returns the way to stop. */
  start(): () => void
}

export function createSettings(platform: Platform): OwnSettings {
  const store = createStore(platform.storage)
  const language = signal(store.read('language', oneOf(languages)) ?? preferred(platform.languages))
  const theme = signal(store.read('theme', oneOf(themes)) ?? 'system')
  keep('language', language)
  keep('theme', theme)
  const now = signal(platform.now())
  const t = computed(() => translator(language.value))
  const formats = computed(() => formatsOf(language.value))

  function keep(key: string, setting: ReadonlySignal<string>) {
    let first = true // subscribe() calls at once; a default that nobody chose is not kept
    setting.subscribe((value) => {
      if (!first) store.write(key, value)
      first = false
    })
  }

  return {
    language,
    theme,
    dark: computed(() => (theme.value === 'system' ? platform.prefersDark.value : theme.value === 'dark')),
    t,
    money: (minor, currency, signed) => formatMoney(minor, currency, language.value, signed),
    dateTime: (iso) => formats.value.dateTime.format(new Date(iso)),
    clock,
    ago: (iso) =>
      ago(now.value - Date.parse(iso), formats.value, t.value) ?? formats.value.dateTime.format(new Date(iso)),
    duration: (ms) => duration(ms, t.value),
    explain: (problem) => explain(problem, t.value),
    explainField(problem, path) {
      const message = problem?.fields[path]
      return message === undefined ? undefined : explainField(message, t.value, language.value)
    },
    start() {
      let timer: unknown
      const tick = () => {
        now.value = platform.now()
        timer = platform.setTimeout(tick, TICK_MS)
      }
      // Nobody reads the time of a hidden page; when it comes back it is right at once.
      const unsubscribe = platform.visible.subscribe((visible) => {
        platform.clearTimeout(timer)
        if (visible) tick()
      })
      return () => {
        unsubscribe()
        platform.clearTimeout(timer)
      }
    },
  }
}

const languages = ['en', 'ru'] as const
const themes = ['system', 'light', 'dark'] as const

const oneOf =
  <T extends string>(values: readonly T[]) =>
  (value: unknown) =>
    values.find((known) => known === value)

/** The first of the browser's languages that there is. */
const preferred = (wanted: readonly string[]): Language =>
  wanted.map((tag) => languages.find((known) => tag.toLowerCase().split('-')[0] === known)).find(Boolean) ?? 'en'

function formatsOf(language: Language) {
  return {
    dateTime: new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }),
    relative: new Intl.RelativeTimeFormat(language, { numeric: 'auto' }),
  }
}

/** undefined: so long ago that the date says more. */
function ago(ms: number, { relative }: ReturnType<typeof formatsOf>, t: Translate): string | undefined {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return t('time.just_now') // also when the server's clock is ahead of this one
  if (minutes < 60) return relative.format(-minutes, 'minute')
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? relative.format(-hours, 'hour') : undefined
}

function duration(ms: number, t: Translate): string {
  if (ms < 1_000) return t('time.ms', { n: Math.round(ms) })
  if (ms < 60_000) return t('time.s', { n: Math.round(ms / 100) / 10 })
  return t('time.min', { n: Math.round(ms / 6_000) / 10 })
}

/** By hand: what Intl puts before milliseconds differs between languages, and these columns are compared. */
function clock(iso: string): string {
  const at = new Date(iso)
  const pad = (n: number, length = 2) => String(n).padStart(length, '0')
  const seconds = `${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${seconds}`
}
