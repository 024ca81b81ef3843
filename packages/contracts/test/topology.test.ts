/** Who publishes and who subscribes: no event without either, no name that NATS would refuse, no handler missing. */
import { uuidv7 } from '@checkout/service/clock.ts'
import t from 'tap'
import { createHandlers as notificationsHandlers } from '../../../notifications-service/src/messages.ts'
import { handlers as ordersHandlers } from '../../../orders-service/src/messages.ts'
import { createHandlers as paymentsHandlers } from '../../../payments-service/src/messages.ts'
import { type EventType, eventTypes } from '../src/events.ts'
import { publisherOf, streamOf, streams, subscriptions } from '../src/topology.ts'
import { createTestClock } from './support/clock.ts'

t.test('every event has its publisher and at least one subscriber', async (t) => {
  const published: Readonly<Record<EventType, string>> = {
    'users.registered.v1': 'orders-service',
    'orders.created.v1': 'orders-service',
    'payments.succeeded.v1': 'payments-service',
    'payments.failed.v1': 'payments-service',
    'orders.paid.v1': 'orders-service',
    'orders.failed.v1': 'orders-service',
  }
  t.strictSame(Object.fromEntries(eventTypes.map((type) => [type, publisherOf(type)])), published)
  for (const type of eventTypes) {
    t.ok(
      subscriptions.some(({ subject }) => subject === type),
      `${type} has a subscriber`,
    )
  }
  t.throws(() => streamOf('letters.sent.v1' as EventType), /no stream carries/)
})

t.test('a subject lies in exactly one stream, and its durables are in that', async (t) => {
  const carries = (filter: string, subject: string) => subject.startsWith(filter.slice(0, -1))
  for (const type of eventTypes) {
    const carriers = streams.filter(({ subjects }) => subjects.some((filter) => carries(filter, type)))
    t.strictSame(
      carriers.map(({ name }) => name),
      [streamOf(type).name],
      type,
    )
  }
  for (const { subject, stream } of subscriptions) t.equal(stream, streamOf(subject).name)
  for (const filter of streams.flatMap(({ subjects }) => [...subjects])) t.match(filter, /^[a-z]+\.>$/)
  const owners = streams.map(({ owner }) => owner)
  t.equal(new Set(owners).size, owners.length, 'each stream has an owner of its own: its only writer')
})

t.test('names that NATS takes, each once', async (t) => {
  const durables = subscriptions.map(({ durable }) => durable)
  t.equal(new Set(durables).size, durables.length)
  t.equal(new Set(streams.map(({ name }) => name)).size, streams.length)
  for (const { durable, service, subject } of subscriptions) {
    // NATS refuses white space, ".", "*", ">" and path separators, and advises against more than 64 characters.
    t.match(durable, /^[A-Za-z0-9_-]{1,64}$/)
    t.ok(durable.startsWith(`${service}_`), `${durable} says whose it is`)
    t.match(subject, /^[a-z]+\.[a-z]+\.v[1-9]\d*$/, 'a subject is noun, verb, version')
  }
})

t.test('every subscription has its handler, and every handler its subscription', async (t) => {
  const terms = { clock: createTestClock(), newId: uuidv7, currency: 'RUB', mailing: false }
  const handlers = {
    'orders-service': ordersHandlers,
    'payments-service': paymentsHandlers(terms),
    'notifications-service': notificationsHandlers(terms),
  } as const
  for (const [service, table] of Object.entries(handlers)) {
    const subscribed = subscriptions.filter((s) => s.service === service).map(({ subject }) => subject)
    t.strictSame(Object.keys(table).sort(), subscribed.sort(), service)
  }
})
