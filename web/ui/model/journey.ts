/**
 * An order's way through the system as one story, put together from what each service has stored. Pure.
 *
 * The order of the steps is the causal one, not that of the clocks: a relay notes "published" when the broker's
 * confirmation is back, and by then the next service may have the event already; services on several machines have
 * several clocks.
 */
import type { Journey, JourneyStep } from '@checkout/contracts/http.ts'
import { fieldsOf } from './storage.ts'

export type JourneyStepName =
  | 'placed'
  | 'outbox'
  | 'published'
  | 'inbox'
  | 'decision'
  | 'debit'
  | 'paid'
  | 'failed'
  | 'letter'
  | 'mailed'
  | 'received'
export type JourneyService = 'orders-service' | 'payments-service' | 'notifications-service' | 'browser'

export interface JourneyItem {
  /** Stays the same when the journey grows. */
  key: string
  step: JourneyStepName
  service: JourneyService
  at: string
  sinceStartMs: number
  /** Since the step before, which caused it; never negative. */
  gapMs: number
  /** What the gap was: waiting for a message to be carried, or a service working. */
  gap: 'waiting' | 'working'
  eventId?: string
  eventType?: string
  streamSeq?: number
  deliveries?: number
  payload?: unknown
}

export interface JourneyView {
  items: readonly JourneyItem[]
  /** What is still to come, in order. */
  ahead: readonly { step: JourneyStepName; service: JourneyService }[]
  /** The service whose turn it is. */
  waitingFor: JourneyService | undefined
  /** From placed to the last step there is (mailing aside, which nobody waits for) = waitingMs + workingMs. */
  totalMs: number
  waitingMs: number
  workingMs: number
  complete: boolean
}

/** What the services answered; a part is absent as long as it knows nothing of the order. */
export interface JourneyParts {
  orders?: Journey
  payments?: Journey
  notifications?: Journey
}

/** When this browser got the letter's push (wall clock, ms); `awaited` if it is still to come, `none` if it never will. */
export type Push = number | 'awaited' | 'none'

/** A place on the way: filled by a stored step, or still empty. */
interface Slot {
  step: JourneyStepName
  service: JourneyService
  stored?: JourneyStep
  /** ms since 1970, where it may not be the stored time. */
  ms?: number
  /** 1, 2, … for an event that was sent again. */
  copy?: number
}

export function mergeJourney({ orders, payments, notifications }: JourneyParts, push: Push = 'none'): JourneyView {
  const atOrders = orders?.steps ?? []
  const atPayments = payments?.steps ?? []
  const atNotifications = notifications?.steps ?? []
  const placed = find(atOrders, 'placed')
  const status = find(atOrders, 'paid') ?? find(atOrders, 'failed')
  const decision = find(atPayments, 'decision')
  const letter = find(atNotifications, 'letter')
  const asked = find(atPayments, 'inbox')
  const decided = find(atOrders, 'inbox')
  const told = find(atNotifications, 'inbox')
  const isCreated = ({ eventId }: JourneyStep) => eventId === placed?.eventId
  const isLost = status?.step === 'failed' || fieldsOf(decision?.payload).outcome === 'declined'

  const way: Slot[] = [
    slot('orders-service', 'placed', placed),
    ...relayed('orders-service', atOrders.filter(isCreated), asked),
    slot('payments-service', 'inbox', asked),
    slot('payments-service', 'decision', decision),
    ...(isLost ? [] : [slot('payments-service', 'debit', find(atPayments, 'debit'))]),
    ...relayed('payments-service', atPayments, decided),
    slot('orders-service', 'inbox', decided),
    slot('orders-service', isLost ? 'failed' : 'paid', status),
    ...relayed(
      'orders-service',
      atOrders.filter((step) => !isCreated(step)),
      told,
    ),
    slot('notifications-service', 'inbox', told),
    slot('notifications-service', 'letter', letter),
    ...(push === 'none' ? [] : [slot('browser', 'received', letter && toReceived(push))]),
  ]
  const mailed = slot('notifications-service', 'mailed', find(atNotifications, 'mailed'))
  const isMailing = !mailed.stored && fieldsOf(letter?.payload).mail === 'queued'

  const items = timed(way, typesOf([...atOrders, ...atPayments]))
  // Empty places before the last filled one are no waiting: the outbox forgets after some minutes, and of the three
  // parts, read side by side, a later one may already know more.
  const ahead = way.slice(way.findLastIndex(({ stored }) => stored) + 1)
  const sum = (gap: JourneyItem['gap']) => items.reduce((ms, item) => ms + (item.gap === gap ? item.gapMs : 0), 0)
  const [waitingMs, workingMs] = [sum('waiting'), sum('working')]
  return {
    items: mailed.stored ? withMailed(items, mailed.stored) : items,
    ahead: [...ahead, ...(isMailing ? [mailed] : [])].map(({ step, service }) => ({ step, service })),
    waitingFor: ahead[0]?.service ?? (isMailing ? mailed.service : undefined),
    totalMs: waitingMs + workingMs,
    waitingMs,
    workingMs,
    complete: Boolean(decision && status) && ahead.length === 0 && !isMailing && !way.some(isUnsent),
  }
}

const find = (steps: readonly JourneyStep[], name: JourneyStepName) => steps.find(({ step }) => step === name)

const slot = (service: JourneyService, step: JourneyStepName, stored: JourneyStep | undefined): Slot => ({
  step,
  service,
  ...(stored && { stored }),
})

const toReceived = (push: Push): JourneyStep | undefined =>
  typeof push === 'number' ? { step: 'received', at: new Date(push).toISOString() } : undefined

/**
 * An event's way from the outbox into the stream, once for each time that it was sent, up to the sending that `arrival`
 * came from. Those behind it (the sweeper was impatient, the stream was filled anew) did not bring the order on.
 */
function relayed(service: JourneyService, steps: readonly JourneyStep[], arrival: JourneyStep | undefined): Slot[] {
  const written = steps.filter(({ step }) => step === 'outbox')
  const sent = steps.filter(({ step }) => step === 'published')
  const through = arrival ? sent.findIndex(({ streamSeq }) => streamSeq === arrival.streamSeq) : written.length - 1
  // Written and sent in the same order, so the nth of these belongs to the nth of those.
  return Array.from({ length: Math.max(through, 0) + 1 }, (_, copy) => {
    const published = slot(service, 'published', sent[copy])
    const ms = arrival && published.stored && Math.min(msOf(published.stored), msOf(arrival))
    return [
      { ...slot(service, 'outbox', written[copy]), copy },
      { ...published, copy, ...(ms !== undefined && { ms }) },
    ]
  }).flat()
}

/** Whether an event that was written has, as far as it was read, not been sent. */
const isUnsent = ({ step, stored }: Slot, index: number, way: readonly Slot[]) =>
  step === 'published' && !stored && way[index - 1]?.stored !== undefined

const msOf = ({ at }: JourneyStep) => Date.parse(at)

const waits: ReadonlySet<JourneyStepName> = new Set(['published', 'inbox', 'received', 'mailed'])

/** The filled places with their times: along the way time does not go back, whatever the clocks say. */
function timed(way: readonly Slot[], types: ReadonlyMap<string, string>): JourneyItem[] {
  const items: JourneyItem[] = []
  let reachedMs = Number.NEGATIVE_INFINITY
  let sinceStartMs = 0
  for (const { step, service, stored, ms, copy } of way) {
    if (!stored) continue
    const atMs = ms ?? msOf(stored)
    const gapMs = items.length === 0 ? 0 : Math.max(0, atMs - reachedMs)
    reachedMs = Math.max(reachedMs, atMs)
    sinceStartMs += gapMs
    const { eventId, streamSeq, deliveries, payload } = stored
    const eventType = eventId === undefined ? undefined : types.get(eventId)
    items.push({
      key: [service, step, eventId, copy || undefined].filter((part) => part !== undefined).join(':'),
      step,
      service,
      at: ms === undefined ? stored.at : new Date(ms).toISOString(),
      sinceStartMs,
      gapMs,
      gap: waits.has(step) ? 'waiting' : 'working',
      ...(eventId !== undefined && { eventId }),
      ...(eventType !== undefined && { eventType }),
      ...(streamSeq !== undefined && { streamSeq }),
      ...(deliveries !== undefined && { deliveries }),
      ...(payload !== undefined && { payload }),
    })
  }
  return items
}

/** Event id → type, from the envelopes in the outboxes. */
function typesOf(steps: readonly JourneyStep[]): ReadonlyMap<string, string> {
  const types = steps.flatMap(({ step, eventId, payload }) => {
    const { type } = fieldsOf(payload)
    return step === 'outbox' && eventId !== undefined && typeof type === 'string' ? [[eventId, type] as const] : []
  })
  return new Map(types)
}

/** The mail is a branch of its own from the letter on, beside the push: which of the two is first is up to the clock. */
function withMailed(items: readonly JourneyItem[], mailed: JourneyStep): JourneyItem[] {
  const letter = items.findLastIndex(({ step }) => step === 'letter')
  const before = items[letter]
  if (!before) return [...items]
  const gapMs = Math.max(0, msOf(mailed) - Date.parse(before.at))
  const item: JourneyItem = {
    key: 'notifications-service:mailed',
    step: 'mailed',
    service: 'notifications-service',
    at: mailed.at,
    sinceStartMs: before.sinceStartMs + gapMs,
    gapMs,
    gap: 'waiting',
  }
  const behind = items.slice(letter + 1)
  return [...items.slice(0, letter + 1), ...[...behind, item].sort((a, b) => a.sinceStartMs - b.sinceStartMs)]
}
