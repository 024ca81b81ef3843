/** Who publishes and who subscribes: no event without either, no name that NATS would refuse. */
import t from 'tap'
import { type EventType, eventTypes } from '../src/events.ts'
import { publisherOf, streamOf, streams, subscriptions } from '../src/topology.ts'

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
