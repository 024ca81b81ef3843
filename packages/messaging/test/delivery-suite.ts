/**
 * The delivery suite: what every consumer of this system has to pass. It runs the consumer's own store and handlers
 * on a real nats-server, against a relay that publishes from a real outbox, does to the broker, the connection and the
 * file what can happen to them, and each time asks for the same: every event that was committed to the outbox has
 * its effect, once, and nothing became a dead letter that should not.
 *
 * NATS_SERVER=/path/to/nats-server runs it on another version.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { EventData, EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { publisherOf, type Subscription, streamOf, subscriptions } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Store } from '@checkout/store/port.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { seeded, shuffled } from '@checkout/testkit/random.ts'
import type { TestStores } from '@checkout/testkit/stores.ts'
import type { Test } from 'tap'
import type { Broker, Delivery } from '../src/broker.ts'
import type { Handlers } from '../src/handling.ts'
import type { MessagingReads, MessagingTx, OutboxRow } from '../src/port.ts'
import { type Life, openMessagingStore, patched, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw, type Raw } from './support/raw.ts'

const machine = createPlatform()

/** Only for a case that hangs: every wait inside has a deadline of its own. */
const CASE_MS_MAX = 120_000

export interface ConsumerUnderTest<Tx extends MessagingTx, T extends EventType = EventType> {
  /** Whose subscriptions it has. */
  readonly service: ServiceName
  /** What it is sent. */
  readonly type: T
  /** Data of an event about this order. */
  data(orderId: string): EventData<T>
  /** Of its store among the stage's. */
  readonly name: string
  open(stores: TestStores): Store<Tx, MessagingReads>
  readonly handlers: Handlers<Tx>
  /** SQL for `key`, `times`: per order, how often the event had its effect. */
  readonly effects: string
  /** What is wrong in its store: nothing as long as that is in order. */
  disorder?(stores: TestStores): Promise<readonly string[]>
  /** What these orders' events need to find in the store. */
  prepare?(tx: Tx, orderIds: readonly string[]): Promise<void>
}

type PublisherTx = Parameters<Parameters<ReturnType<typeof openMessagingStore>['write']>[0]>[0]

interface Scene<Tx extends MessagingTx> extends Stage {
  readonly raw: Raw
  readonly stream: string
  readonly subscription: Subscription
  consumer: Life<Tx>
  publisher: Life<PublisherTx>
  startConsumer(wrap?: (broker: Broker) => Broker): Promise<void>
  startPublisher(): Promise<void>
  /** Makes orders, and commits an event about each to the outbox. Returns their ids. */
  emit(count: number): Promise<string[]>
  /** Commits events about these orders, in this order. */
  emitAbout(orderIds: readonly string[], eventId?: string): Promise<void>
  /** Resolves when each order had its effect, and nothing is under way any more; then checks that it had it once. */
  settled(orderIds: readonly string[]): Promise<void>
}

async function withScene<Tx extends MessagingTx>(
  t: Test,
  cut: ConsumerUnderTest<Tx>,
  body: (scene: Scene<Tx>) => Promise<void>,
): Promise<void> {
  await withStage(t, async (stage) => {
    const { nats, stores, atEnd } = stage
    const { url } = nats
    const subscription = subscriptions.find((s) => s.service === cut.service && s.subject === cut.type)
    if (!subscription) throw new Error(`${cut.service} does not read ${cut.type}`)
    const counts = async () => new Map((await effectsOf(stage, cut)).map((row) => [row.key, row.times]))

    const scene: Scene<Tx> = {
      ...stage,
      raw: await connectRaw(stage),
      stream: streamOf(cut.type).name,
      subscription,
      consumer: undefined as never,
      publisher: undefined as never,
      async startConsumer(wrap = (broker) => broker) {
        const life = await startLife({
          service: cut.service,
          url,
          store: cut.open(stores),
          handlers: cut.handlers,
          wrap,
        })
        atEnd(life.stop)
        scene.consumer = life
      },
      async startPublisher() {
        const store = openMessagingStore(stores.database(PUBLISHER))
        const life = await startLife({ service: publisherOf(cut.type), url, store, handlers: {} })
        atEnd(life.stop)
        scene.publisher = life
      },
      async emit(count) {
        const orderIds = Array.from({ length: count }, machine.newId)
        await scene.consumer.store.write(async (tx) => cut.prepare?.(tx, orderIds))
        await scene.emitAbout(orderIds)
        return orderIds
      },
      async emitAbout(orderIds, eventId) {
        await Promise.all(
          orderIds.map((orderId) =>
            scene.publisher.store.write((tx) =>
              tx.outbox.append(cut.type, cut.data(orderId), { correlationId: orderId, eventId }),
            ),
          ),
        )
      },
      async settled(orderIds) {
        const missing = async () => {
          const seen = await counts()
          return orderIds.filter((id) => !seen.has(id)).length
        }
        const none = async () => {
          const left = await missing()
          if (left > 0) throw new Error(`${left} without effect`)
          return true
        }
        await eventually(none, {
          what: `${orderIds.length} orders have their effect`,
        })
        await eventually(() => scene.publisher.messaging.backlogsEmpty([cut.type]), { what: 'nothing is under way' })
        const seen = await counts()
        t.strictSame(
          orderIds.filter((id) => seen.get(id) !== 1).map((id) => [id, seen.get(id)]),
          [],
          `${orderIds.length} orders had their effect once`,
        )
        t.strictSame((await cut.disorder?.(stores)) ?? [], [], 'the store is in order')
        t.strictSame(
          (await scene.consumer.store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 5)).map((row) => row.error),
          [],
          'no dead letters',
        )
      },
    }
    await scene.startPublisher()
    await scene.startConsumer()
    await body(scene)
  })
}

/** Emits orders in small groups for as long as `trouble` takes. Returns their ids. */
async function underTraffic<Tx extends MessagingTx>(scene: Scene<Tx>, trouble: () => Promise<void>): Promise<string[]> {
  const orderIds: string[] = []
  let over = false
  const traffic = async () => {
    while (!over) {
      orderIds.push(...(await scene.emit(10)))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const running = traffic()
  try {
    await trouble()
  } finally {
    over = true
    await running
  }
  return orderIds
}

const PUBLISHER = 'publisher'

const effectsOf = <Tx extends MessagingTx>({ stores }: Stage, cut: ConsumerUnderTest<Tx>) =>
  stores.query<{ key: string; times: number }>(cut.name, cut.effects)

const firstEffects = <Tx extends MessagingTx>(stage: Stage, cut: ConsumerUnderTest<Tx>) =>
  eventually(async () => (await effectsOf(stage, cut)).length > 0, { what: 'the first effects' })

/** Defines the cases as subtests of `t`. */
export function deliverySuite<Tx extends MessagingTx>(t: Test, name: string, cut: ConsumerUnderTest<Tx>): void {
  t.setTimeout(20 * CASE_MS_MAX)
  const scene = (title: string, body: (t: Test, scene: Scene<Tx>) => Promise<void>) =>
    t.test(`${name}: ${title}`, { timeout: CASE_MS_MAX }, (t) => withScene(t, cut, (scene) => body(t, scene)))

  scene('duplicate: the same event a hundred times, under other message ids and other event ids', async (_t, s) => {
    const [orderId = ''] = await s.emit(1)
    await s.emitAbout(Array(100).fill(orderId), machine.newId()) // one event id, a hundred message ids
    await s.emitAbout(Array(20).fill(orderId)) // other event ids, the same order
    const others = await s.emit(3)
    await s.settled([orderId, ...others])
  })

  scene('duplicate: a second publisher copies messages into the stream', async (_t, s) => {
    const orderIds = await s.emit(30)
    await s.settled(orderIds)
    for (const seq of [1, 7, 30, 7]) {
      const stored = await s.raw.jsm.streams.getMessage(s.stream, { seq })
      if (stored) await s.raw.publish(stored.subject, stored.string(), `copy-${seq}-${machine.newId()}`)
    }
    // The relay finds that somebody else wrote to its stream.
    await s.settled([...orderIds, ...(await s.emit(30))])
  })

  scene('redelivery: the acks are lost and the consumer crashes; the next one gets everything again', async (t, s) => {
    await s.consumer.stop()
    let handed = 0
    await s.startConsumer((broker) =>
      onEachDelivery(broker, (delivery) => {
        handed += 1
        return { ...copy(delivery), ack() {}, nak() {}, term() {} }
      }),
    )
    const orderIds = await s.emit(40)
    await eventually(() => handed >= 40, { what: 'everything was delivered' })
    await eventually(async () => (await effectsOf(s, cut)).length === 40, { what: 'and committed' })
    await s.consumer.stop()
    const { num_ack_pending } = await s.raw.jsm.consumers.info(s.stream, s.subscription.durable)
    t.equal(num_ack_pending, 40, 'none was acknowledged')
    await s.startConsumer()
    await s.settled(orderIds)
  })

  scene('reordering: shuffled events, a third of the deliveries put back for later', async (t, s) => {
    const random = seeded(t)
    await s.consumer.stop()
    await s.startConsumer((broker) =>
      onEachDelivery(broker, (delivery) => {
        if (delivery.deliveries > 2 || random() > 1 / 3) return delivery
        delivery.nak(Math.floor(random() * 300))
        return undefined
      }),
    )
    const orderIds = Array.from({ length: 100 }, machine.newId)
    await s.consumer.store.write(async (tx) => cut.prepare?.(tx, orderIds))
    await s.emitAbout(shuffled([...orderIds, ...orderIds, ...orderIds], random))
    await s.settled(orderIds)
  })

  scene('broker killed and restarted on its store, under traffic', async (_t, s) => {
    const orderIds = await underTraffic(s, async () => {
      for (let round = 0; round < 2; round++) {
        await firstEffects(s, cut)
        await s.nats.kill()
        await s.nats.start()
        await eventually(() => s.publisher.broker.connected && s.consumer.broker.connected, { what: 'reconnected' })
      }
    })
    await s.settled(orderIds)
  })

  scene('broker killed and its disk wiped, under traffic', async (_t, s) => {
    const orderIds = await underTraffic(s, async () => {
      await firstEffects(s, cut)
      await s.nats.kill()
      s.nats.wipeStore()
      await s.nats.start()
      await eventually(() => s.publisher.broker.connected && s.consumer.broker.connected, { what: 'reconnected' })
    })
    await s.settled(orderIds)
  })

  scene('tail lost: the broker comes back with an older copy of its disk', async (_t, s) => {
    const before = await s.emit(40)
    await s.settled(before)
    await s.nats.kill()
    const old = s.nats.copyStore()
    await s.nats.start()
    const lost = await s.emit(40)
    await s.settled([...before, ...lost])
    await s.nats.kill()
    s.nats.swapStore(old)
    const meanwhile = await s.emit(40)
    await s.nats.start()
    await s.settled([...before, ...lost, ...meanwhile, ...(await s.emit(10))])
  })

  scene('tail lost, and the stream grown past it again before the relay is back', async (t, s) => {
    const before = await s.emit(20)
    await s.settled(before)
    await s.nats.kill()
    const old = s.nats.copyStore()
    await s.nats.start()
    const lost = await s.emit(20)
    await s.settled([...before, ...lost])
    const recorded = (await s.publisher.store.read.outbox.lastPublication())?.lastSeq ?? 0
    await s.publisher.stop()
    await s.nats.kill()
    s.nats.swapStore(old)
    await s.nats.start()
    await eventually(() => s.raw.lastSeq(s.stream), { what: 'the stream is back' })
    const stored = await s.raw.jsm.streams.getMessage(s.stream, { seq: 1 })
    while ((await s.raw.lastSeq(s.stream)) < recorded + 5) {
      await s.raw.publish(cut.type, stored?.string() ?? '', machine.newId())
    }
    t.ok((await s.raw.lastSeq(s.stream)) > recorded, 'by its length the stream looks whole')
    await s.startPublisher()
    await s.settled([...before, ...lost, ...(await s.emit(20))])
  })

  scene('stream deleted while the relay is idle', async (_t, s) => {
    const before = await s.emit(10)
    await s.settled(before)
    await s.raw.jsm.streams.delete(s.stream)
    await eventually(() => s.raw.jsm.consumers.info(s.stream, s.subscription.durable), { what: 'made anew' })
    await s.settled([...before, ...(await s.emit(10))])
  })

  scene('files of the stream removed under the server: it counts and gives out nothing', async (_t, s) => {
    await eventually(() => s.raw.jsm.consumers.info(s.stream, s.subscription.durable), { what: 'the stream is made' })
    rmSync(join(s.nats.storeDir, 'jetstream', '$G', 'streams', s.stream, 'msgs'), { recursive: true })
    await s.settled(await s.emit(10))
  })

  scene('durable deleted', async (_t, s) => {
    const before = await s.emit(10)
    await s.settled(before)
    await s.raw.jsm.consumers.delete(s.stream, s.subscription.durable)
    await s.settled([...before, ...(await s.emit(10))])
  })

  scene('durable ahead of its stream, which delivers nothing and says nothing', async (t, s) => {
    const before = await s.emit(10)
    await s.settled(before)
    await s.nats.kill()
    const old = s.nats.copyStore()
    await s.nats.start()
    // What somebody else wrote, the durable acknowledged and the broker lost again: the relay misses nothing.
    await s.publisher.stop()
    const stored = await eventually(() => s.raw.jsm.streams.getMessage(s.stream, { seq: 1 }), { what: 'the stream' })
    for (let i = 0; i < 5; i++) await s.raw.publish(cut.type, stored.string(), machine.newId())
    const floor = async () => (await s.raw.jsm.consumers.info(s.stream, s.subscription.durable)).ack_floor.stream_seq
    await eventually(async () => (await floor()) > 10, { what: 'the durable is past what will be left' })
    await s.nats.kill()
    const durables = join('jetstream', '$G', 'streams', s.stream, 'obs')
    cpSync(join(s.nats.storeDir, durables), join(old, durables), { recursive: true })
    s.nats.swapStore(old)
    await s.nats.start()
    await eventually(() => s.raw.lastSeq(s.stream), { what: 'the stream is back' })
    t.comment(`ack floor ${await floor()}, last sequence ${await s.raw.lastSeq(s.stream)}`)
    await s.startPublisher()
    await s.settled([...before, ...(await s.emit(10))])
  })

  scene('store locked by another program: nothing is counted, everything is applied afterwards', async (t, s) => {
    await s.settled(await s.emit(5))
    const orderIds = Array.from({ length: 50 }, machine.newId)
    await s.consumer.store.write(async (tx) => cut.prepare?.(tx, orderIds))
    const unlock = await s.stores.lock(cut.name)
    try {
      await s.emitAbout(orderIds)
      await eventually(() => s.consumer.logs.some((line) => /consuming is paused/.test(line.msg)), { what: 'a pause' })
    } finally {
      await unlock()
    }
    await s.settled(orderIds)
    t.strictSame(await s.stores.query(cut.name, 'SELECT * FROM parked'), [], 'no failure was counted')
  })

  scene('poison among good ones: each becomes a dead letter, and blocks nobody', async (t, s) => {
    const first = await s.emit(20)
    const [good] = await s.publisher.store.read.outbox.take(0, 1)
    const valid = JSON.parse(good?.event ?? '')
    const poison = [
      '{"id": "half of a',
      JSON.stringify({ ...valid, id: 'unknown-type', type: 'orders.imagined.v1' }),
      JSON.stringify({ ...valid, id: 'next-version', type: cut.type.replace('.v1', '.v2') }),
      JSON.stringify({ ...valid, id: 'no-order', data: { ...valid.data, orderId: undefined } }),
      JSON.stringify({ ...valid, id: 'half-kopeck', data: { ...valid.data, amount: 1.5 } }),
      JSON.stringify({ ...valid, id: 'wrong-envelope', specversion: '0.3' }),
      'null',
    ]
    const poisoned = poison.map((event) => ({
      ...(good as OutboxRow),
      eventId: machine.newId(),
      type: cut.type,
      event,
    }))
    await s.publisher.store.write((tx) => tx.outbox.repeat(poisoned))
    const last = await s.emit(20)
    const letters = s.consumer.store.read.deadLetters
    await eventually(async () => (await letters.count()) >= poison.length, { what: 'the dead letters' })
    const rows = await letters.list(Number.MAX_SAFE_INTEGER, 100)
    t.strictSame(rows.map((row) => row.message).sort(), [...poison].sort(), 'each once, as it came')
    t.ok(
      rows.every((row) => row.consumer === s.subscription.durable && row.subject === cut.type && row.attempts === 1),
      'with durable, subject and count',
    )
    t.ok(
      rows.every((row) => JSON.parse(row.headers)['Nats-Msg-Id'] !== undefined && row.error.length > 0),
      'with headers and error',
    )
    await s.consumer.store.write(async (tx) => {
      for (const row of rows) await tx.deadLetters.remove(row.id)
    })
    await s.settled([...first, ...last])
  })
}

/** A broker whose pulls hand on what `change` makes of each delivery; nothing when it returns undefined. */
export function onEachDelivery(broker: Broker, change: (delivery: Delivery) => Delivery | undefined): Broker {
  return patched(broker, {
    async pull(subscription) {
      const pull = await broker.pull(subscription)
      return {
        stop: () => pull.stop(),
        async *[Symbol.asyncIterator]() {
          for await (const delivery of pull) {
            const changed = change(delivery)
            if (changed) yield changed
          }
        },
      }
    },
  })
}

/** A delivery is not to be spread: its headers are a getter. */
export const copy = (delivery: Delivery): Delivery => ({
  subject: delivery.subject,
  data: delivery.data,
  headers: delivery.headers,
  streamSeq: delivery.streamSeq,
  deliveries: delivery.deliveries,
  ack: () => delivery.ack(),
  nak: (ms) => delivery.nak(ms),
  term: () => delivery.term(),
})
