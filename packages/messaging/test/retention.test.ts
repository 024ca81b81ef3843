/** Retention: what is deleted from the outbox and the stream, and when; and a stream that is full. */
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { Broker } from '../src/broker.ts'
import { RETENTION_MS } from '../src/retention.ts'
import {
  change,
  type LifeOptions,
  openPublisherStore,
  patched,
  publisherFile,
  query,
  type Stage,
  startLife,
  withStage,
} from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

const MINUTE_MS = 60_000

/** The publisher of the ORDERS stream, with all its three consuming services or some of them. */
async function setUp(
  stage: Stage,
  options: {
    platform?: Platform
    wrap?: (broker: Broker) => Broker
    retentionMs?: number
    streamMaxBytes?: number
  } = {},
) {
  const { dir, nats, atEnd } = stage
  const { platform = machine, wrap, ...limits } = options
  const { url } = nats
  let asked = 0
  const counting = (broker: Broker) =>
    patched(broker, {
      durable(subscription) {
        asked += 1
        return broker.durable(subscription)
      },
    })
  const store = openPublisherStore(dir, platform)
  const publisher = await startLife({
    service: 'orders-service',
    url,
    store,
    handlers: {},
    platform,
    ...limits,
    wrap: (broker) => counting(wrap ? wrap(broker) : broker),
  })
  atEnd(publisher.stop)
  const till = async (own: Partial<LifeOptions<TillTx>> = {}) => {
    const life = await startLife({
      service: 'payments-service',
      url,
      store: openTill(dir),
      handlers: tillHandlers,
      ...own,
    })
    atEnd(life.stop)
    return life
  }
  return {
    ...publisher,
    raw: await connectRaw(stage),
    till,
    async orders(count: number) {
      const made = Array.from({ length: count }, machine.newId)
      await Promise.all(
        made.map((orderId) =>
          store.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId })),
        ),
      )
      return made
    },
    user: () =>
      store.write((tx) =>
        tx.outbox.append(
          'users.registered.v1',
          { userId: 'ada', name: 'Ada', email: 'ada@example.com' },
          { correlationId: 'ada' },
        ),
      ),
    rows: () => query(publisherFile(dir), 'SELECT 1 FROM outbox').length,
    batches: () => query(publisherFile(dir), 'SELECT 1 FROM publications').length,
    effects: () => query<{ key: string; times: number }>(tillFile(dir), EFFECTS),
    published: () => eventually(async () => (await store.read.outbox.backlog()).rows === 0, { what: 'all published' }),
    acknowledged: () =>
      eventually(() => publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'all acknowledged' }),
    /** Resolves when the upkeep has looked at all five durables three times more. */
    async upkeepRounds() {
      const until = asked + 3 * 5
      await eventually(() => asked >= until, { what: 'rounds of the upkeep' })
    },
  }
}

t.test('rows go ten minutes after their publication, not before; the newest publication stays', async (t) => {
  await withStage(t, async (stage) => {
    let ahead = 0
    const platform: Platform = { ...machine, now: () => Date.now() + ahead }
    const p = await setUp(stage, { platform })
    const age = (ms: number) =>
      change(publisherFile(stage.dir), "UPDATE ages SET ms = ms + ? WHERE name = 'retention'", ms)
    await p.till()
    await p.orders(60)
    await p.acknowledged()
    await p.orders(60)
    await p.acknowledged()
    t.ok(p.batches() >= 2)
    for (const hours of [26, -26, 1, -1]) {
      ahead = hours * 3_600_000
      await p.upkeepRounds()
      t.equal(p.rows(), 120, `acknowledged, but too young; the wall clock is ${hours} h ahead`)
    }
    age(RETENTION_MS - 1)
    await p.upkeepRounds()
    t.equal(p.rows(), 120, 'too young for a while')
    // What a minute more leaves in the file, counted by whoever held the lease.
    age(MINUTE_MS + 1)
    await eventually(() => p.rows() === 0, { what: 'all rows are deleted' })
    await eventually(() => p.batches() === 1, { what: 'the publications, but for the newest' })
    const info = async () => (await p.raw.jsm.streams.info('ORDERS')).state
    await eventually(async () => (await info()).messages === 1, { what: 'the stream is purged up to its last message' })
    t.equal((await info()).first_seq, 120)

    // What is left is enough for the next life to recognise its stream.
    await p.stop()
    const next = await setUp(stage)
    await next.orders(10)
    await next.acknowledged()
    t.notOk(
      next.logs.some((line) => /anew/.test(line.msg) && line.stream === 'ORDERS'),
      'the stream was kept',
    )
    t.equal(await next.raw.lastSeq('ORDERS'), 130)
  })
})

t.test('rows stay for as long as one durable has not acknowledged them', async (t: Test) => {
  await withStage(t, async (stage) => {
    const p = await setUp(stage, { retentionMs: 1 })
    await p.till() // notifications-service is not there: users.registered waits for it
    await p.orders(50)
    await p.acknowledged()
    await p.user()
    await p.published()
    await p.orders(50)
    await p.acknowledged()
    await p.upkeepRounds()
    const ids = query<{ id: number; type: string }>(publisherFile(stage.dir), 'SELECT id, type FROM outbox ORDER BY id')
    t.ok(
      ids.some(({ type }) => type === 'users.registered.v1'),
      'what was not acknowledged is there',
    )
    t.equal(ids.filter(({ id }) => id > 51).length, 50, 'and all after it')
    const [first] = await p.raw.messageIds('ORDERS')
    t.ok(Number(first?.split('.').at(-1)) <= 51, 'in the stream too')

    const notifications = await startLife({
      service: 'notifications-service',
      url: stage.nats.url,
      store: openTill(`${stage.dir}/notifications`),
      handlers: { 'users.registered.v1': async (tx, event) => void (await tx.inbox.claim(event.id)) },
    })
    stage.atEnd(notifications.stop)
    await eventually(() => p.rows() === 0, { what: 'all rows are deleted' })
  })
})

t.test('a stream made anew after retention gets the retained rows, and nobody misses anything', async (t) => {
  await withStage(t, async (stage) => {
    const p = await setUp(stage, { retentionMs: 1 })
    const first = await p.till()
    const before = await p.orders(100)
    await p.acknowledged()
    await eventually(() => p.rows() === 0, { what: 'all rows are deleted' })
    await first.stop()
    const retained = await p.orders(30)
    await p.published()
    await p.raw.jsm.streams.delete('ORDERS')
    const ids = await eventually(
      async () => {
        const found = await p.raw.messageIds('ORDERS')
        return found.length === 30 && found
      },
      { what: 'the stream is made anew' },
    )
    t.equal(ids.length, 30)
    await p.till()
    await eventually(() => p.effects().length === 130, { what: 'all effects' })
    t.ok(
      p.effects().every(({ times }) => times === 1),
      'once',
    )
    t.strictSame(new Set(p.effects().map(({ key }) => key)), new Set([...before, ...retained]))
  })
})

t.test('a full stream whose purges fail: the outbox waits, and goes on when there is room again', async (t) => {
  await withStage(t, async (stage) => {
    let failing = true
    let failed = 0
    const p = await setUp(stage, {
      retentionMs: 1,
      streamMaxBytes: 64 * 1024,
      wrap: (broker) =>
        patched(broker, {
          purge(stream, seq) {
            if (!failing) return broker.purge(stream, seq)
            failed += 1
            return Promise.reject(new Error('the connection was lost'))
          },
        }),
    })
    await p.till()
    const orderIds = await p.orders(400)
    await eventually(() => failed > 2, { what: 'purges fail' })
    const { rows } = await p.store.read.outbox.backlog()
    t.ok(rows > 100, `${rows} wait`)
    failing = false
    await eventually(() => p.effects().length === 400, { what: 'all effects', deadlineMs: 60_000 })
    t.ok(
      p.effects().every(({ times }) => times === 1),
      'once',
    )
    t.strictSame(new Set(p.effects().map(({ key }) => key)), new Set(orderIds))
  })
})
