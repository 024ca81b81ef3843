/** What is not this system's: streams, durables and messages of others, in whatever shape they are found. */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import { SYSTEM_HEADER } from '@checkout/contracts/events.ts'
import { streams, subscriptions } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { Deployment } from '@checkout/store/deployment.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { everythingAt } from '@checkout/testkit/streams.ts'
import { AckPolicy, type ConsumerConfig, type StreamConfig } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import type { Broker } from '../src/broker.ts'
import { markText } from '../src/mark.ts'
import { replay } from '../src/replay.ts'
import { openPublisherStore, patched, publisherFile, query, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw, type Raw } from './support/raw.ts'
import { EFFECTS, handlingOf, openTill, orderData, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

const OTHER: Deployment = { systemId: 'other', currency: 'RUB' }
const durableOf = (service: string, subject: string) => `${service}_${subject.replaceAll('.', '-')}`
const DURABLE = durableOf('payments-service', 'orders.created.v1')
const orders = streams[0]

/** The relay of the stream ORDERS with so many events to publish, and how often it has looked for its stream. */
async function publisher(stage: Stage, rows: number, deployment = TEST_SYSTEM) {
  const looked = { times: 0 }
  const counting = (broker: Broker) =>
    patched(broker, {
      stream(name, recorded) {
        looked.times += 1
        return broker.stream(name, recorded)
      },
    })
  const store = openPublisherStore(stage.dir)
  const { url } = stage.nats
  const life = await startLife({ service: 'orders-service', url, store, handlers: {}, wrap: counting, deployment })
  stage.atEnd(life.stop)
  await append(life, rows)
  return { ...life, looked }
}

const append = ({ store }: { store: ReturnType<typeof openPublisherStore> }, rows: number) =>
  Promise.all(
    Array.from({ length: rows }, () => {
      const orderId = machine.newId()
      return store.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }))
    }),
  )

async function till(stage: Stage, deployment = TEST_SYSTEM) {
  const attempts = { times: 0 }
  const counting = (broker: Broker) =>
    patched(broker, {
      pull(subscription) {
        attempts.times += 1
        return broker.pull(subscription)
      },
    })
  const { url } = stage.nats
  const store = openTill(stage.dir)
  const life = await startLife({
    service: 'payments-service',
    url,
    store,
    handlers: tillHandlers,
    wrap: counting,
    deployment,
  })
  stage.atEnd(life.stop)
  return { ...life, attempts }
}

const consumerOf = (durable_name: string, own: Partial<ConsumerConfig> = {}): Partial<ConsumerConfig> => ({
  durable_name,
  ack_policy: AckPolicy.Explicit,
  ...own,
})

interface Found {
  stream: Partial<StreamConfig> & { name: string; subjects: string[] }
  messages: number
  durables: Partial<ConsumerConfig>[]
  /** What the line names. */
  named: RegExp
}

/** Streams of somebody else, each of which this system would have taken, deleted or published into. */
const others: Readonly<Record<string, Found>> = {
  'a stream of our name on other subjects, with messages and a durable': {
    stream: { name: 'ORDERS', subjects: ['ORDERS.*'] },
    messages: 25,
    durables: [consumerOf('billing')],
    named: /the stream ORDERS belongs to somebody else/,
  },
  'an empty stream of our name': {
    stream: { name: 'ORDERS', subjects: ['ORDERS.*'] },
    messages: 0,
    durables: [],
    named: /the stream ORDERS belongs to somebody else/,
  },
  'an empty stream of our name and subjects': {
    stream: { name: 'ORDERS', subjects: [...orders.subjects] },
    messages: 0,
    durables: [consumerOf(DURABLE, { filter_subject: 'orders.created.v1' })],
    named: /the stream ORDERS belongs to somebody else/,
  },
  'another system': {
    stream: {
      name: 'ORDERS',
      subjects: [...orders.subjects],
      description: markText({ ...OTHER, incarnation: 'one' }),
    },
    messages: 25,
    durables: [consumerOf(DURABLE, { filter_subject: 'orders.created.v1', description: markText(OTHER) })],
    named: /the stream ORDERS belongs to the system other; this is the system test/,
  },
  'a version before marks, of another file': {
    stream: { name: 'ORDERS', subjects: [...orders.subjects], description: 'incarnation somebody' },
    messages: 3,
    durables: [consumerOf(DURABLE, { filter_subject: 'orders.created.v1' })],
    named: /the stream ORDERS belongs to somebody else/,
  },
  'a stream of another name on the same subjects': {
    stream: { name: 'LEGACY', subjects: ['orders.>'] },
    messages: 25,
    durables: [consumerOf('legacy')],
    named: /the stream LEGACY takes subjects of the stream ORDERS/,
  },
  'a stream of another name on one of the subjects': {
    stream: { name: 'AUDIT', subjects: ['users.registered.v1'] },
    messages: 1,
    durables: [],
    named: /the stream AUDIT takes subjects of the stream ORDERS/,
  },
  'a stream that takes everything of its kind': {
    // Current servers want no_ack for what could take $SYS.created.v1, too.
    stream: { name: 'ALL', subjects: ['*.created.v1'], no_ack: true },
    messages: 0,
    durables: [],
    named: /the stream ALL takes subjects of the stream ORDERS/,
  },
}

async function put(raw: Raw, { stream, messages, durables }: Found) {
  await raw.jsm.streams.add(stream)
  const [subject = ''] = stream.subjects
  const concrete = subject.replace('*', 'orders').replace('>', 'created.v1')
  for (let i = 0; i < messages; i++) await raw.publish(concrete, '{}', `theirs-${i}`)
  for (const durable of durables) await raw.jsm.consumers.add(stream.name, durable)
}

for (const [title, found] of Object.entries(others)) {
  t.test(`${title}: nothing of it is touched, and a line says so`, async (t) => {
    await withStage(t, async (stage) => {
      const raw = await connectRaw(stage)
      await put(raw, found)
      const before = await everythingAt(raw.jsm, 'PAYMENTS')
      const relay = await publisher(stage, 5)
      const reader = await till(stage)
      await eventually(() => relay.broker.problem, { what: 'the problem is stated' })
      t.match(relay.broker.problem, /^refused: /)
      t.match(relay.broker.problem, found.named)
      const { looked } = relay
      const { attempts } = reader
      looked.times = 0
      attempts.times = 0
      await eventually(() => looked.times > 4 && attempts.times > 8, { what: 'several rounds' })
      t.strictSame(await everythingAt(raw.jsm, 'PAYMENTS'), before, 'everything is as it was')
      t.equal((await relay.store.read.outbox.backlog()).rows, 5, 'the events wait')
      const told = relay.logs.filter(({ problem }) => problem !== undefined)
      t.equal(told.length, 1, 'logged once')

      for await (const { config } of raw.jsm.streams.list()) await raw.jsm.streams.delete(config.name)
      await eventually(async () => (await relay.store.read.outbox.backlog()).rows === 0, {
        what: 'it goes on once that is gone',
      })
      t.equal(relay.broker.problem, undefined)
      await eventually(() => query(tillFile(stage.dir), EFFECTS).length === 5, { what: 'and so does the reader' })
      await eventually(() => reader.broker.problem === undefined, { what: 'nothing is wrong for the reader' })
    })
  })
}

t.test('a foreign stream that takes the place of ours while we work', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const relay = await publisher(stage, 5)
    await eventually(async () => (await relay.store.read.outbox.backlog()).rows === 0, { what: 'published' })
    await raw.jsm.streams.delete('ORDERS')
    // The same length as ours, so that by its sequences it looks like ours.
    await raw.jsm.streams.add({ name: 'ORDERS', subjects: [...orders.subjects], description: 'theirs' })
    for (let i = 0; i < 5; i++) await raw.publish('orders.created.v1', '{}', `theirs-${i}`)
    const before = await everythingAt(raw.jsm, 'PAYMENTS')
    await eventually(() => relay.broker.problem, { what: 'it is noticed' })
    await append(relay, 3)
    relay.looked.times = 0
    await eventually(() => relay.looked.times > 3, { what: 'several rounds' })
    t.strictSame(await everythingAt(raw.jsm, 'PAYMENTS'), before, 'everything is as it was')
  })
})

t.test('whatever is asked of the broker about a foreign stream, it refuses', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const { broker, stop } = await publisher(stage, 0)
    await eventually(() => raw.jsm.consumers.info('ORDERS', DURABLE), { what: 'the stream' })
    await stop() // only its relay is in the way here
    const life = await startLife({
      service: 'notifications-service',
      url: stage.nats.url,
      store: openTill(stage.dir),
      handlers: {},
    })
    stage.atEnd(life.stop)
    void broker
    await raw.jsm.streams.delete('ORDERS')
    await put(raw, others['another system'] as Found)
    const before = await everythingAt(raw.jsm, 'PAYMENTS')
    const subscription = subscriptions.find(({ durable }) => durable === DURABLE)
    if (!subscription) throw new Error('no subscription')
    const calls: Record<string, () => Promise<unknown>> = {
      deleteStream: () => life.broker.deleteStream('ORDERS'),
      updateStream: () => life.broker.updateStream(orders),
      createStream: () => life.broker.createStream(orders),
      purge: () => life.broker.purge('ORDERS', 5),
      createDurable: () => life.broker.createDurable(subscription),
      markDurable: () => life.broker.markDurable(subscription),
      deleteDurable: () => life.broker.deleteDurable(subscription),
      pull: () => life.broker.pull(subscription),
    }
    for (const [name, call] of Object.entries(calls))
      await t.rejects(async () => void (await call()), `${name} is refused`)
    t.strictSame(await everythingAt(raw.jsm, 'PAYMENTS'), before, 'everything is as it was')
  })
})

t.test('a stream and durables of version 0.1, which say nothing of their system, are marked and kept', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const before = await publisher(stage, 5)
    await eventually(async () => (await before.store.read.outbox.backlog()).rows === 0, { what: 'published' })
    await before.stop()
    const { config } = await raw.jsm.streams.info('ORDERS')
    const incarnation = config.description?.match(/incarnation=(\S+)/)?.[1]
    await raw.jsm.streams.update('ORDERS', { description: `incarnation ${incarnation}` })
    for (const { durable } of subscriptions.filter(({ stream }) => stream === 'ORDERS')) {
      await raw.jsm.consumers.update('ORDERS', durable, { description: '' })
    }
    const ids = await raw.messageIds('ORDERS')

    const reader = await till(stage)
    await eventually(() => reader.attempts.times > 6, { what: 'the reader has tried' })
    t.match(reader.broker.problem, /does not say whose it is/)
    t.equal(query(tillFile(stage.dir), EFFECTS).length, 0, 'what is not marked is not read')
    const relay = await publisher(stage, 2)
    await eventually(() => query(tillFile(stage.dir), EFFECTS).length === 7, { what: 'all are read' })
    t.equal((await raw.jsm.streams.info('ORDERS')).config.description, config.description, 'marked as it was')
    t.strictSame((await raw.messageIds('ORDERS')).slice(0, 5), ids, 'its messages are kept')
    t.notOk(
      relay.logs.some(({ why }) => why !== undefined),
      'not made anew',
    )
    // Each of its durables is looked at when it is tried again.
    await eventually(() => reader.broker.problem === undefined, { what: 'nothing is wrong any more' })
  })
})

t.test('a reader in another currency does not read, and says both', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const relay = await publisher(stage, 3)
    await eventually(async () => (await relay.store.read.outbox.backlog()).rows === 0, { what: 'published' })
    const reader = await till(stage, { ...TEST_SYSTEM, currency: 'USD' })
    await eventually(() => reader.broker.problem, { what: 'the problem is stated' })
    t.match(reader.broker.problem, /^refused: the stream ORDERS is in RUB, CURRENCY here is USD/)
    reader.attempts.times = 0
    await eventually(() => reader.attempts.times > 6, { what: 'several attempts' })
    t.equal((await raw.jsm.consumers.info('ORDERS', DURABLE)).delivered.consumer_seq, 0, 'nothing was taken')
  })
})

const eventOf = (currency: string): CloudEvent<'orders.created.v1'> => {
  const orderId = machine.newId()
  return {
    specversion: '1.0',
    id: machine.newId(),
    source: '/test',
    type: 'orders.created.v1',
    time: rfc3339(Date.now()),
    datacontenttype: 'application/json',
    correlationid: orderId,
    data: { ...orderData(orderId), currency },
  }
}

async function publishAs(raw: Raw, event: CloudEvent<'orders.created.v1'>, own: Record<string, string>) {
  const h = headers()
  h.set('Nats-Msg-Id', event.id)
  for (const [name, value] of Object.entries(own)) h.set(name, value)
  await raw.nc.request(event.type, JSON.stringify(event), { headers: h, timeout: 5_000 })
}

t.test("another system's message, or one in another currency: a dead letter at once, also when replayed", async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const relay = await publisher(stage, 1)
    const { store } = await till(stage)
    await eventually(() => query(tillFile(stage.dir), EFFECTS).length === 1, { what: 'our own has its effect' })
    await relay.stop() // it would make the stream anew
    await publishAs(raw, eventOf('RUB'), { [SYSTEM_HEADER]: 'other' })
    await publishAs(raw, eventOf('RUB'), { 'checkout-system': 'test, other' })
    await publishAs(raw, eventOf('USD'), { [SYSTEM_HEADER]: 'test' })
    await publishAs(raw, eventOf('RUB'), {})
    await eventually(async () => (await store.read.deadLetters.count()) === 3, { what: 'three dead letters' })
    await eventually(() => query(tillFile(stage.dir), EFFECTS).length === 2, { what: 'the one without a header' })
    const rows = await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 9)
    t.strictSame(rows.map(({ error }) => error).sort(), [
      'it is of the system other, and this is the system test',
      'it is of the system test, other, and this is the system test',
      'its amount is in USD, and CURRENCY here is RUB',
    ])
    t.ok(rows.every(({ attempts }) => attempts === 1))
    const handling = handlingOf(store, tillHandlers)
    for (const row of rows) {
      await t.rejects(replay(handling, row), { code: 'replay_failed', detail: `It failed again: ${row.error}` })
    }
    t.equal(query(tillFile(stage.dir), EFFECTS).length, 2, 'without an effect')
    t.equal(await store.read.deadLetters.count(), 3)
  })
})

t.test('each message says whose it is', async (t: Test) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const relay = await publisher(stage, 1)
    await eventually(async () => (await relay.store.read.outbox.backlog()).rows === 0, { what: 'published' })
    const message = await raw.jsm.streams.getMessage('ORDERS', { seq: 1 })
    t.equal(message?.header.get(SYSTEM_HEADER), 'test')
    const { description } = (await raw.jsm.streams.info('ORDERS')).config
    t.match(description, /^checkout system=test currency=RUB incarnation=[-0-9a-f]{36}$/)
    const recorded = query<{ incarnation: string }>(
      publisherFile(stage.dir),
      'SELECT incarnation FROM stream_incarnation',
    )
    t.equal(recorded[0]?.incarnation, `incarnation ${description?.match(/incarnation=(\S+)/)?.[1]}`)
    for (const { durable } of subscriptions.filter(({ stream }) => stream === 'ORDERS')) {
      const { config } = await raw.jsm.consumers.info('ORDERS', durable)
      t.equal(config.description, 'checkout system=test currency=RUB')
    }
  })
})
