import * as examples from '@checkout/contracts/examples.ts'
import type { Journey, JourneyStep } from '@checkout/contracts/http.ts'
import t from 'tap'
import { type JourneyParts, type JourneyView, mergeJourney } from '../ui/model/journey.ts'

const START = Date.parse('2026-11-22T10:00:00.000Z')
const at = (ms: number) => new Date(START + ms).toISOString()
const step = (name: string, ms: number, more: Partial<JourneyStep> = {}): JourneyStep => ({
  step: name,
  at: at(ms),
  ...more,
})
const event = (eventId: string, type: string) => ({ eventId, payload: { id: eventId, type } })

/** The whole way of a paid order; each service's steps as it answers them, by time. */
const orders: JourneyStep[] = [
  step('placed', 0, { eventId: 'e1', payload: { amount: 1 } }),
  step('outbox', 0, event('e1', 'orders.created.v1')),
  step('published', 4, { eventId: 'e1', streamSeq: 7 }),
  step('inbox', 20, { eventId: 'e2', streamSeq: 3, deliveries: 1 }),
  step('paid', 22),
  step('outbox', 22, event('e3', 'orders.paid.v1')),
  step('published', 25, { eventId: 'e3', streamSeq: 8 }),
]
const payments: JourneyStep[] = [
  step('inbox', 6, { eventId: 'e1', streamSeq: 7, deliveries: 1 }),
  step('decision', 9, { payload: { outcome: 'paid' } }),
  step('debit', 9),
  step('outbox', 9, event('e2', 'payments.succeeded.v1')),
  step('published', 15, { eventId: 'e2', streamSeq: 3 }),
]
const notifications: JourneyStep[] = [
  step('inbox', 27, { eventId: 'e3', streamSeq: 8, deliveries: 1 }),
  step('letter', 30, { payload: { seq: 1, mail: 'none' } }),
]
const part = (service: string, steps: JourneyStep[]): Journey => ({ service, steps })
const parts = (o: JourneyStep[], p?: JourneyStep[], n?: JourneyStep[]): JourneyParts => ({
  orders: part('orders-service', o),
  ...(p && { payments: part('payments-service', p) }),
  ...(n && { notifications: part('notifications-service', n) }),
})
const told = ({ items }: JourneyView) => items.map((item) => `${item.service.split('-')[0]} ${item.step} ${item.gapMs}`)
const hoped = ({ ahead }: JourneyView) => ahead.map(({ service, step }) => `${service.split('-')[0]} ${step}`)

t.test('a paid order, to the push', async (t) => {
  const view = mergeJourney(parts(orders, payments, notifications), START + 33)
  t.same(told(view), [
    'orders placed 0',
    'orders outbox 0',
    'orders published 4',
    'payments inbox 2',
    'payments decision 3',
    'payments debit 0',
    'payments outbox 0',
    'payments published 6',
    'orders inbox 5',
    'orders paid 2',
    'orders outbox 0',
    'orders published 3',
    'notifications inbox 2',
    'notifications letter 3',
    'browser received 3',
  ])
  t.match(view, { ahead: [], complete: true, totalMs: 33, waitingMs: 25, workingMs: 8 })
  t.equal(view.waitingFor, undefined)
  t.same(
    view.items.map(({ sinceStartMs }) => sinceStartMs),
    [0, 0, 4, 6, 9, 9, 9, 15, 20, 22, 22, 25, 27, 30, 33],
  )
  t.same(
    view.items.filter(({ gap }) => gap === 'waiting').map((item) => item.step),
    ['published', 'inbox', 'published', 'inbox', 'published', 'inbox', 'received'],
  )
  t.match(view.items[2], { eventId: 'e1', streamSeq: 7, eventType: 'orders.created.v1' })
  t.match(view.items[3], { eventId: 'e1', streamSeq: 7, deliveries: 1, eventType: 'orders.created.v1' })
  t.match(view.items[8], { eventId: 'e2', eventType: 'payments.succeeded.v1' })
  t.match(view.items[1]?.payload, { type: 'orders.created.v1' })
  t.equal(new Set(view.items.map(({ key }) => key)).size, view.items.length, 'keys are unique')
})

t.test('at every moment of its growth', async (t) => {
  const all = [...orders, ...payments, ...notifications]
  const whole = mergeJourney(parts(orders, payments, notifications), START + 33)
  const moments = [...new Set(all.map((one) => one.at)), at(33)].sort()
  for (const moment of moments) {
    const until = (steps: JourneyStep[]) => steps.filter((one) => one.at <= moment)
    const some = (steps: JourneyStep[]) => (until(steps).length > 0 ? until(steps) : undefined)
    const push = moment >= at(33) ? START + 33 : 'awaited'
    const view = mergeJourney(parts(until(orders), some(payments), some(notifications)), push)
    const keys = view.items.map(({ key }) => key)
    t.same(
      keys,
      whole.items.slice(0, keys.length).map(({ key }) => key),
      `${moment}: a beginning of the whole`,
    )
    t.same(
      [...told(view).map((line) => line.replace(/ \d+$/, '')), ...hoped(view)].length,
      whole.items.length,
      'what is told and what is hoped for make the whole',
    )
    t.equal(view.complete, moment >= at(33))
    t.equal(view.totalMs, view.items.at(-1)?.sinceStartMs)
    t.equal(view.waitingFor, view.ahead[0]?.service)
  }
})

t.test('who is waited for', async (t) => {
  const placed = mergeJourney(parts(orders.slice(0, 2)), 'awaited')
  t.equal(placed.waitingFor, 'orders-service', 'the relay')
  t.same(hoped(placed), [
    'orders published',
    'payments inbox',
    'payments decision',
    'payments debit',
    'payments outbox',
    'payments published',
    'orders inbox',
    'orders paid',
    'orders outbox',
    'orders published',
    'notifications inbox',
    'notifications letter',
    'browser received',
  ])
  t.equal(mergeJourney(parts(orders.slice(0, 3)), 'awaited').waitingFor, 'payments-service')
  t.equal(mergeJourney(parts(orders, payments, notifications), 'awaited').waitingFor, 'browser')
})

t.test('a declined order', async (t) => {
  const declined = [
    step('inbox', 6, { eventId: 'e1', streamSeq: 7 }),
    step('decision', 9, { payload: { outcome: 'declined', reason: 'insufficient_funds' } }),
  ]
  t.same(
    hoped(mergeJourney(parts(orders.slice(0, 3), declined))).slice(0, 4),
    ['payments outbox', 'payments published', 'orders inbox', 'orders failed'],
    'no debit is to come',
  )
  const failed = orders.map((one) => (one.step === 'paid' ? { ...one, step: 'failed' } : one))
  const outboxed = [
    ...declined,
    step('outbox', 9, event('e2', 'payments.failed.v1')),
    step('published', 15, { eventId: 'e2', streamSeq: 3 }),
  ]
  const view = mergeJourney(parts(failed, outboxed, notifications))
  t.same(
    view.items.map((item) => item.step).filter((name) => ['debit', 'paid', 'failed'].includes(name)),
    ['failed'],
  )
  t.equal(view.complete, true)
})

t.test('the outboxes forget after some minutes', async (t) => {
  const durable = (steps: JourneyStep[]) => steps.filter((one) => one.step !== 'outbox' && one.step !== 'published')
  const view = mergeJourney(parts(durable(orders), durable(payments), notifications))
  t.same(told(view), [
    'orders placed 0',
    'payments inbox 6',
    'payments decision 3',
    'payments debit 0',
    'orders inbox 11',
    'orders paid 2',
    'notifications inbox 5',
    'notifications letter 3',
  ])
  t.match(view, { ahead: [], complete: true, totalMs: 30, waitingMs: 22, workingMs: 8 })
})

t.test('the confirmation that comes behind the effect', async (t) => {
  const late = orders.map((one) => (one.step === 'published' && one.eventId === 'e1' ? { ...one, at: at(7) } : one))
  const view = mergeJourney(parts(late, payments, notifications), START + 33)
  t.same(told(view).slice(2, 5), ['orders published 6', 'payments inbox 0', 'payments decision 3'])
  t.equal(view.items[2]?.at, view.items[3]?.at, 'shown as no later than the effect')
  t.equal(view.totalMs, 33)

  // After the broker's disk was lost everything retained is published again, long after it took effect.
  const again = orders.map((one) =>
    one.step === 'published' && one.eventId === 'e1' ? { ...one, at: at(300_000), streamSeq: 1 } : one,
  )
  const anew = mergeJourney(parts(again, payments, notifications), START + 33)
  t.equal(anew.totalMs, 33, 'does not stretch the way')
  t.ok(anew.items.every(({ gapMs }) => gapMs >= 0 && gapMs < 100))
})

t.test('clocks that differ', async (t) => {
  const slow = payments.map((one) => ({ ...one, at: new Date(Date.parse(one.at) - 5_000).toISOString() }))
  const view = mergeJourney(parts(orders, slow, notifications), START - 60_000)
  t.same(
    view.items.map((item) => item.step),
    mergeJourney(parts(orders, payments, notifications), START + 33).items.map((item) => item.step),
  )
  t.ok(
    view.items.every(({ gapMs }) => gapMs >= 0),
    'no gap is negative',
  )
  t.equal(view.totalMs, 30)
  t.equal(view.waitingMs + view.workingMs, view.totalMs)
})

t.test('an event that was sent more than once', async (t) => {
  // The first sending was lost with the broker; the sweeper's copy is the one that payments got.
  const twice = [
    ...orders.slice(0, 3),
    step('outbox', 30_000, event('e1', 'orders.created.v1')),
    step('published', 30_004, { eventId: 'e1', streamSeq: 9 }),
  ]
  const [arrived, ...rest] = payments.map((one) => ({
    ...one,
    at: new Date(Date.parse(one.at) + 30_000).toISOString(),
  }))
  const view = mergeJourney(parts(twice, [{ ...arrived, streamSeq: 9 } as JourneyStep, ...rest]), 'awaited')
  t.same(told(view).slice(0, 7), [
    'orders placed 0',
    'orders outbox 0',
    'orders published 4',
    'orders outbox 29996',
    'orders published 4',
    'payments inbox 2',
    'payments decision 3',
  ])
  t.equal(new Set(view.items.map(({ key }) => key)).size, view.items.length)

  // The sweeper was impatient: its copy came behind the one that did the work, and is no part of the way.
  const needless = mergeJourney(
    parts([...twice.slice(0, 3), ...orders.slice(3), ...twice.slice(3)], payments, notifications),
    START + 33,
  )
  t.same(told(needless), told(mergeJourney(parts(orders, payments, notifications), START + 33)))

  // While nothing has arrived, each sending is shown.
  const waiting = mergeJourney(parts(twice.slice(0, 4)), 'awaited')
  t.same(told(waiting), ['orders placed 0', 'orders outbox 0', 'orders published 4', 'orders outbox 29996'])
  t.same(hoped(waiting)[0], 'orders published')
})

t.test('parts that were read one beside the other', async (t) => {
  const early = mergeJourney(parts(orders.slice(0, 3), payments, notifications), START + 33)
  t.equal(early.complete, false, "the orders' part was read too early")
  t.same(hoped(early), [], 'what is missing in the middle is not to come: it is to be read')
  const unconfirmed = mergeJourney(parts(orders.slice(0, 6), payments, notifications), START + 33)
  t.equal(unconfirmed.complete, false, 'the last confirmation has not been read')
})

t.test('mail', async (t) => {
  const queued = [notifications[0] as JourneyStep, step('letter', 30, { payload: { seq: 1, mail: 'queued' } })]
  const mailing = mergeJourney(parts(orders, payments, queued), START + 33)
  t.same(hoped(mailing), ['notifications mailed'])
  t.match(mailing, { complete: false, waitingFor: 'notifications-service', totalMs: 33 })
  t.same(hoped(mergeJourney(parts(orders, payments, queued), 'awaited')), ['browser received', 'notifications mailed'])

  const sent = [...queued, step('mailed', 1_250)]
  const mailed = mergeJourney(parts(orders, payments, sent), START + 33)
  t.same(told(mailed).slice(-3), ['notifications letter 3', 'browser received 3', 'notifications mailed 1220'])
  t.match(mailed, { complete: true, totalMs: 33, waitingMs: 25, ahead: [] })
  const faster = mergeJourney(parts(orders, payments, [...queued, step('mailed', 31)]), START + 33)
  t.same(told(faster).slice(-3), ['notifications letter 3', 'notifications mailed 1', 'browser received 3'])
})

t.test('a push that was faster than the journey', async (t) => {
  const view = mergeJourney(parts(orders, payments), START + 33)
  t.notOk(
    view.items.some((item) => item.step === 'received'),
    'it is told when the letter is',
  )
  t.same(hoped(view), ['notifications inbox', 'notifications letter', 'browser received'])
})

t.test('nothing known, and steps of a later version', async (t) => {
  const empty = mergeJourney({})
  t.match(empty, { items: [], complete: false, totalMs: 0, waitingFor: 'orders-service' })
  const view = mergeJourney(parts([...orders, step('gift-wrapped', 3)], payments, notifications))
  t.notOk(view.items.some((item) => (item.step as string) === 'gift-wrapped'))
  t.equal(view.complete, true)
})

t.test("the documentation's example", async (t) => {
  const view = mergeJourney({
    orders: examples.ordersJourney as Journey,
    payments: examples.paymentsJourney as Journey,
    notifications: examples.notificationsJourney as Journey,
  })
  t.match(view, { complete: true, ahead: [], totalMs: 145 })
  t.equal(view.items.at(-1)?.step, 'mailed')
})
