/** Reads journeys, and keeps reading while they grow and somebody looks. */
import type { Journey } from '@checkout/contracts/http.ts'
import { parts } from '@checkout/contracts/services.ts'
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import { type Failure, loading, type Remote } from './failure.ts'
import { type JourneyParts, type JourneyView, mergeJourney, type Push } from './journey.ts'
import type { OwnLive } from './live.ts'
import type { Platform } from './platform.ts'
import { createRefresher } from './refresher.ts'
import { asList, fieldsOf, type Store, userKey } from './storage.ts'
import { perVisit, type Visit, type Visits } from './visit.ts'

export interface JourneyModel {
  /** Is kept up to date while something is subscribed to it (a component that reads `.value`). */
  view: ReadonlySignal<Remote<JourneyView>>
  refresh(): Promise<void>
}

export interface Journeys {
  /** Always the same object for an id. */
  of(orderId: string): JourneyModel
}

/** How often a growing journey is read: eagerly at first, then patiently. */
const EAGER_MS = 400
const EAGER_FOR_MS = 10_000
const PATIENT_MS = 2_000
/** Orders whose push is remembered per user. */
const RECEIVED_MAX = 100

export interface JourneysDeps {
  platform: Platform
  api: Api
  store: Store
  visits: Visits
  live: OwnLive
}

/** One journey in one visit. */
interface Reading {
  parts: Signal<JourneyParts>
  /** Of the orders' part, which must be there. */
  problem: Signal<Failure | undefined>
  refresh(): Promise<void>
  /** Reads now, and again until it is complete. */
  watch(): void
  unwatch(): void
}

export function createJourneys({ platform, api, store, visits, live }: JourneysDeps): Journeys {
  const models = new Map<string, JourneyModel>()
  const watched = new Set<string>()
  /** Order → when its letter was pushed to this browser. */
  const received = signal<ReadonlyMap<string, number>>(new Map())
  const readingsOf = perVisit(() => new Map<string, Reading>())
  const current = (id: string) => {
    const visit = visits.current.peek()
    return visit && readingOf(visit, id)
  }

  visits.each((visit) => {
    received.value = storedPushes(store, visit.userId)
    const unsubscribe = [
      live.onLetter(({ orderId }, receivedAt) => {
        if (orderId === null) return
        notePush(visit, orderId, receivedAt)
        if (watched.has(orderId)) readingOf(visit, orderId).watch()
      }),
      platform.visible.subscribe((visible) => {
        for (const id of watched) visible ? readingOf(visit, id).watch() : readingOf(visit, id).unwatch()
      }),
    ]
    visit.onEnd(() => {
      for (const stop of unsubscribe) stop()
      received.value = new Map()
    })
  })

  function notePush({ userId }: Visit, orderId: string, at: number) {
    // Another tab may have been first; the list is common to them.
    const pushes = storedPushes(store, userId)
    if (!pushes.has(orderId)) pushes.set(orderId, at)
    received.value = pushes
    const newest = [...pushes].slice(-RECEIVED_MAX).map(([id, ms]) => ({ orderId: id, at: ms }))
    store.write(userKey('letters.received', userId), newest)
  }

  function readingOf(visit: Visit, id: string): Reading {
    const readings = readingsOf(visit)
    const before = readings.get(id)
    if (before) return before
    const made = openReading(visit, id)
    readings.set(id, made)
    return made
  }

  function openReading(visit: Visit, id: string): Reading {
    const known = signal<JourneyParts>({})
    const problem = signal<Failure | undefined>(undefined)
    let watchedAt: number | undefined
    let cancelNext = () => {}

    const refresh = createRefresher(async () => {
      cancelNext()
      const { userId, signal } = visit
      const path = (part: string) => `/journeys/${part}/${encodeURIComponent(id)}`
      const answers = await Promise.all(parts.map((part) => api.get<Journey>(path(part), { userId, signal })))
      const fresh: JourneyParts = { ...known.peek() }
      // A part that is not there yet (404), or does not answer, stays as it was known.
      for (const [index, answer] of answers.entries()) if (answer.ok) fresh[parts[index] ?? 'orders'] = answer.value
      known.value = fresh
      problem.value = answers[0]?.ok === false ? answers[0].problem : undefined
      readAgain()
    })

    function readAgain() {
      cancelNext()
      if (watchedAt === undefined || !platform.visible.peek()) return
      if (known.peek().orders && mergeJourney(known.peek(), pushOf(id, known.peek())).complete) return
      if (problem.peek()?.code === 'order_not_found') return
      const isEager = platform.monotonic() - watchedAt < EAGER_FOR_MS && !problem.peek()
      cancelNext = visit.after(isEager ? EAGER_MS : PATIENT_MS, () => void refresh())
    }

    return {
      parts: known,
      problem,
      refresh,
      watch() {
        watchedAt = platform.monotonic()
        void refresh()
      },
      unwatch() {
        watchedAt = undefined
        cancelNext()
      },
    }
  }

  /** A push that this browser was given earlier, or will never be given, is not waited for. */
  function pushOf(id: string, { notifications }: JourneyParts): Push {
    const at = received.value.get(id)
    if (at !== undefined) return at
    const letter = notifications?.steps.find(({ step }) => step === 'letter')
    const { seq } = fieldsOf(letter?.payload)
    const given = live.given()
    return typeof seq === 'number' && given !== undefined && seq <= given ? 'none' : 'awaited'
  }

  function view(visit: Visit | undefined, id: string): Remote<JourneyView> {
    if (!visit) return loading
    const reading = readingOf(visit, id)
    const known = reading.parts.value
    const problem = reading.problem.value
    if (known.orders) return { state: 'ready', value: mergeJourney(known, pushOf(id, known)) }
    return problem ? { state: 'failed', problem } : loading
  }

  return {
    of(orderId) {
      const before = models.get(orderId)
      if (before) return before
      const model: JourneyModel = {
        view: computed(() => view(visits.current.value, orderId), {
          watched() {
            watched.add(orderId)
            current(orderId)?.watch()
          },
          unwatched() {
            watched.delete(orderId)
            current(orderId)?.unwatch()
          },
        }),
        refresh: async () => current(orderId)?.refresh(),
      }
      models.set(orderId, model)
      return model
    },
  }
}

function storedPushes(store: Store, userId: string): Map<string, number> {
  const parse = asList((value) => {
    const { orderId, at } = fieldsOf(value)
    return typeof orderId === 'string' && typeof at === 'number' ? ([orderId, at] as const) : undefined
  })
  return new Map(store.read(userKey('letters.received', userId), parse))
}
