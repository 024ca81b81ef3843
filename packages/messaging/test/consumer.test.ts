/** The consumer loop: when it acknowledges, what it counts, what it never does. */
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Session } from '@checkout/store/engine.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { Broker, Delivery } from '../src/broker.ts'
import type { Handlers } from '../src/handling.ts'
import { copy, onEachDelivery } from './delivery-suite.ts'
import { type Life, openPublisherStore, patched, query, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw, type Raw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

const DURABLE = 'payments-service_orders-created-v1'

interface Setting extends Stage {
  raw: Raw
  publisher: Awaited<ReturnType<typeof startPublisher>>
  emit(orderIds: readonly string[]): Promise<void>
  till(options?: TillOptions): Promise<Life<TillTx>>
  effects(): Map<string, number>
}

interface TillOptions {
  wrap?: (broker: Broker) => Broker
  handlers?: Handlers<TillTx>
  onWriter?: (writer: Session) => void
}

const startPublisher = (stage: Stage) =>
  startLife({ service: 'orders-service', url: stage.nats.url, store: openPublisherStore(stage.dir), handlers: {} })

async function withSetting(t: Test, body: (setting: Setting) => Promise<void>): Promise<void> {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const publisher = await startPublisher(stage)
    stage.atEnd(publisher.stop)
    await body({
      ...stage,
      raw,
      publisher,
      async emit(orderIds) {
        await Promise.all(
          orderIds.map((orderId) =>
            publisher.store.write((tx) =>
              tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
            ),
          ),
        )
      },
      async till({ wrap, handlers = tillHandlers, onWriter } = {}) {
        const store = openTill(stage.dir, onWriter ? { onWriter } : {})
        const { url } = stage.nats
        const life = await startLife({ service: 'payments-service', url, store, handlers, ...(wrap && { wrap }) })
        stage.atEnd(life.stop)
        return life
      },
      effects: () =>
        new Map(query<{ key: string; times: number }>(tillFile(stage.dir), EFFECTS).map((row) => [row.key, row.times])),
    })
  })
}

const ids = (count: number) => Array.from({ length: count }, machine.newId)

t.test('acknowledges only what another connection to the file can see', async (t) => {
  await withSetting(t, async (s) => {
    const tooEarly: string[] = []
    let acks = 0
    let terms = 0
    await s.till({
      wrap: (broker) =>
        onEachDelivery(broker, (delivery) => ({
          ...copy(delivery),
          ack() {
            acks += 1
            const { orderId } = JSON.parse(new TextDecoder().decode(delivery.data)).data
            if (s.effects().get(orderId) !== 1) tooEarly.push(orderId)
            delivery.ack()
          },
          term() {
            terms += 1
            if (query(tillFile(s.dir), 'SELECT 1 FROM dead_letters').length !== 1) tooEarly.push('dead letter')
            delivery.term()
          },
        })),
    })
    const orderIds = ids(300)
    await s.emit(orderIds)
    await s.publisher.store.write((tx) =>
      tx.outbox.append('orders.created.v1', { ...orderData(machine.newId()), amount: -1 }, { correlationId: 'poison' }),
    )
    await eventually(() => acks >= 300 && terms >= 1, { what: '300 acks and a term' })
    t.strictSame(tooEarly, [])
  })
})

const pragma = async (writer: Session | undefined, text: string) =>
  (await writer?.prepare(`PRAGMA ${text}`).get([]))?.[0]

t.test('a full disk: consuming pauses, nothing is counted or dead-lettered, and it goes on afterwards', async (t) => {
  await withSetting(t, async (s) => {
    let writer: Session | undefined
    const life = await s.till({
      onWriter: (connection) => {
        writer = connection
      },
    })
    const before = ids(5)
    await s.emit(before)
    await eventually(() => s.effects().size === 5, { what: 'the first effects' })
    const pages = Number(await pragma(writer, 'page_count'))
    await pragma(writer, `max_page_count = ${pages}`)
    const orderIds = ids(500)
    await s.emit(orderIds)
    const paused = () => life.logs.filter((line) => /consuming is paused/.test(line.msg)).length
    await eventually(() => paused() > 0, { what: 'a pause' })
    t.ok(s.effects().size < 505, 'the disk is full')
    await pragma(writer, `max_page_count = ${pages + 10_000}`)
    await eventually(() => s.effects().size === 505, { what: 'everything applied' })
    t.ok(
      [...s.effects().values()].every((times) => times === 1),
      'once',
    )
    t.equal(await life.store.read.deadLetters.count(), 0)
    t.equal(query(tillFile(s.dir), 'SELECT 1 FROM parked').length, 0, 'no failure was counted')
  })
})

t.test('while the disk stays full it does not go on', async (t) => {
  await withSetting(t, async (s) => {
    let writer: Session | undefined
    const life = await s.till({
      onWriter: (connection) => {
        writer = connection
      },
    })
    await s.emit(ids(5))
    await eventually(() => s.effects().size === 5, { what: 'the first effects' })
    await pragma(writer, `max_page_count = ${await pragma(writer, 'page_count')}`)
    await s.emit(ids(500))
    const lines = (what: RegExp) => life.logs.filter((line) => what.test(line.msg)).length
    await eventually(() => lines(/consuming is paused/) > 0, { what: 'a pause' })
    const { waiting: _, ...before } = life.store.stats()
    await eventually(() => life.store.stats().commits > before.commits + 10, {
      what: 'the lease was renewed ten times',
    })
    t.equal(lines(/takes writes again/), 0, 'it does not say that the store takes writes again')
  })
})

/**
 * Acks of any kind as they pass the broker: which message they are about, by sequence and time of storage. Answers on
 * observer.ping while it sees them.
 */
function spyOnAcks({ nc }: Raw) {
  const acks: { seq: number; storedAt: number }[] = []
  nc.subscribe(`$JS.ACK.ORDERS.${DURABLE}.>`, {
    callback: (_error, message) => {
      const [, seq, , nanos] = message.subject.split('.').slice(4)
      acks.push({ seq: Number(seq), storedAt: Number(BigInt(nanos ?? 0) / 1_000_000n) })
    },
  })
  nc.subscribe('observer.ping', { callback: (_error, message) => void message.respond() })
  return acks
}

/** A broker whose pulls stand still after `count` deliveries, as when that many are being handled. */
function blockAfter(broker: Broker, count: number, held: Delivery[], gate: Promise<void>): Broker {
  return patched(broker, {
    async pull(subscription) {
      const pull = await broker.pull(subscription)
      return {
        stop: () => pull.stop(),
        async *[Symbol.asyncIterator]() {
          for await (const delivery of pull) {
            if (held.length >= count) {
              yield delivery
              continue
            }
            held.push(delivery)
            if (held.length === count) await gate
          }
        },
      }
    },
  })
}

for (const count of [1, 256]) {
  t.test(`a stream made anew while ${count} fetched messages are held: their acks never get out`, async (t) => {
    await withSetting(t, async (s) => {
      const acks = spyOnAcks(s.raw)
      const held: Delivery[] = []
      let open = () => {}
      const gate = new Promise<void>((resolve) => {
        open = resolve
      })
      s.atEnd(() => open())
      await s.till({ wrap: (broker) => blockAfter(broker, count, held, gate) })
      const orderIds = ids(count + 100)
      await s.emit(orderIds)
      await eventually(() => held.length === count, { what: 'they are fetched' })
      const first = await s.raw.jsm.streams.info('ORDERS')
      await s.raw.jsm.streams.delete('ORDERS')
      const second = await eventually(() => s.raw.jsm.streams.info('ORDERS'), { what: 'the stream is made anew' })
      t.not(second.created, first.created)
      await eventually(async () => (await s.raw.lastSeq('ORDERS')) === orderIds.length, { what: 'published again' })
      for (const delivery of held) delivery.ack()
      open()
      await eventually(() => s.effects().size === orderIds.length, { what: 'all effects' })
      await eventually(() => s.publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'nothing left' })
      await eventually(() => acks.length >= orderIds.length, { what: 'the spy sees acks' })
      const created = Date.parse(second.created)
      t.strictSame(
        acks.filter((ack) => ack.storedAt < created).map((ack) => ack.seq),
        [],
        'no ack of an old message',
      )
    })
  })
}

t.test('messages held over a disconnect: their acks never get out, they are delivered again', async (t) => {
  await withSetting(t, async (s) => {
    const acks = spyOnAcks(s.raw)
    const held: Delivery[] = []
    let later = 0
    const life = await s.till({
      wrap: (broker) =>
        onEachDelivery(broker, (delivery) => {
          if (held.length >= 10) {
            later += 1
            return delivery
          }
          held.push(delivery)
          return undefined
        }),
    })
    const orderIds = ids(10)
    await s.emit(orderIds)
    await eventually(() => held.length === 10, { what: 'they are fetched' })
    await s.nats.kill()
    await eventually(() => !life.broker.connected, { what: 'the loss is noticed' })
    await s.nats.start()
    await eventually(() => life.broker.connected, { what: 'reconnected' })
    // Not a flush: the PONG of the new connection's handshake would do for that, before anything is subscribed again.
    await eventually(() => s.raw.nc.request('observer.ping').then(() => true), { what: 'the observer is back, too' })
    for (const [i, delivery] of held.entries()) {
      if (i % 3 === 0) delivery.ack()
      else if (i % 3 === 1) delivery.term()
      else delivery.nak(60_000)
    }
    await eventually(() => s.effects().size === 10, { what: 'all effects' })
    await eventually(() => s.publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'nothing left' })
    // What the broker has counted as acknowledged, it has sent to the observer before its answer to this.
    await s.raw.nc.flush()
    t.equal(acks.length, later, 'as many acks as deliveries after it')
    t.ok(later >= 10, 'each was delivered again')
  })
})
