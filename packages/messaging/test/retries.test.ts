/** Messages whose handler fails: parked, tried again from the file, never in the way of others. */
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { Broker } from '../src/broker.ts'
import type { Arrival, Handlers } from '../src/handling.ts'
import type { MessagingTx } from '../src/port.ts'
import { copy, onEachDelivery } from './delivery-suite.ts'
import { type Life, openPublisherStore, query, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw, type Raw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

const DURABLE = 'payments-service_orders-created-v1'
const HOUR_MS = 3_600_000
/** A first pause that does not end while a test runs. */
const NEVER_MS = 1_000_000

interface Setting extends Stage {
  raw: Raw
  publisher: Life<MessagingTx>
  emit(orderIds: readonly string[]): Promise<void>
  till(options: {
    onOrder: (orderId: string, arrival: Arrival) => void
    retryMs?: number
    platform?: Platform
    wrap?: (broker: Broker) => Broker
  }): Promise<Life<TillTx>>
  effects(): Map<string, number>
  parked(): { event_key: string; attempts: number }[]
  nothingLeft(): Promise<unknown>
}

async function withSetting(t: Test, body: (setting: Setting) => Promise<void>): Promise<void> {
  await withStage(t, async (stage) => {
    const { url } = stage.nats
    const publisher = await startLife({
      service: 'orders-service',
      url,
      store: openPublisherStore(stage.dir),
      handlers: {},
    })
    stage.atEnd(publisher.stop)
    await body({
      ...stage,
      raw: await connectRaw(stage),
      publisher,
      async emit(orderIds) {
        await publisher.store.write(async (tx) => {
          for (const orderId of orderIds) {
            await tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId })
          }
        })
      },
      async till({ onOrder, ...options }) {
        const handlers: Handlers<TillTx> = {
          ...tillHandlers,
          'orders.created.v1': async (tx, event, arrival) => {
            await tillHandlers['orders.created.v1']?.(tx, event, arrival)
            onOrder(event.data.orderId, arrival)
          },
        }
        const life = await startLife({
          service: 'payments-service',
          url,
          store: openTill(stage.dir),
          handlers,
          ...options,
        })
        stage.atEnd(life.stop)
        return life
      },
      effects: () =>
        new Map(query<{ key: string; times: number }>(tillFile(stage.dir), EFFECTS).map((row) => [row.key, row.times])),
      parked: () => query(tillFile(stage.dir), 'SELECT event_key, attempts FROM parked ORDER BY id'),
      nothingLeft: () =>
        eventually(() => publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'nothing is left' }),
    })
  })
}

const ids = (count: number) => Array.from({ length: count }, machine.newId)

t.test('a handler that always fails: ten attempts with growing pauses, then a dead letter; others pass', async (t) => {
  await withSetting(t, async (s) => {
    const [bad = ''] = ids(1)
    const calls: { at: number; arrival: Arrival }[] = []
    const life = await s.till({
      retryMs: 5,
      onOrder(orderId, arrival) {
        if (orderId !== bad) return
        calls.push({ at: performance.now(), arrival })
        throw new Error('no such price')
      },
    })
    const good = ids(50)
    await s.emit([...good.slice(0, 25), bad, ...good.slice(25)])
    const { deadLetters } = life.store.read
    await eventually(async () => (await deadLetters.count()) === 1, { what: 'the dead letter' })
    await s.nothingLeft()
    const [row] = await deadLetters.list(Number.MAX_SAFE_INTEGER, 10)
    t.match(row, { consumer: DURABLE, error: 'no such price', attempts: 10, subject: 'orders.created.v1' })
    t.equal(JSON.parse(row?.message ?? '').data.orderId, bad)
    t.equal(row?.eventKey, JSON.parse(row?.message ?? '').id, 'unique by the event id')
    t.equal(JSON.parse(row?.headers ?? '')['Content-Type'], 'application/cloudevents+json')
    const pauses = calls.slice(1).map(({ at }, i) => at - (calls[i]?.at ?? 0))
    const least = [5, 10, 20, 40, 80, 160, 320, 500, 500]
    t.equal(pauses.length, least.length)
    t.ok(
      pauses.every((ms, i) => ms >= (least[i] ?? 0)),
      `never sooner: ${pauses.map(Math.round)}`,
    )
    t.strictSame(
      calls.map(({ arrival }) => arrival.deliveries),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    )
    t.equal(new Set(calls.map(({ arrival }) => arrival.streamSeq)).size, 1, 'it is told where in the stream it was')
    t.not(calls.at(-1)?.arrival.streamSeq, 0)
    t.equal(s.effects().size, 50, 'the good ones')
    t.notOk(s.effects().has(bad), 'of the failed attempts nothing is left')
    t.equal(query(tillFile(s.dir), 'SELECT 1 FROM inbox WHERE event_id = ?', row?.eventKey).length, 0, 'not claimed')
    t.strictSame(s.parked(), [])
  })
})

t.test('a handler that fails a few times: it works in the end, and its failures are forgotten', async (t) => {
  await withSetting(t, async (s) => {
    let calls = 0
    const life = await s.till({
      retryMs: 5,
      onOrder() {
        if (++calls <= 3) throw new Error('not yet')
      },
    })
    const [orderId = ''] = ids(1)
    await s.emit([orderId])
    await eventually(() => s.effects().get(orderId) === 1, { what: 'its effect' })
    t.equal(calls, 4)
    t.equal(await life.store.read.deadLetters.count(), 0)
    t.strictSame(s.parked(), [])
  })
})

t.test('three thousand messages whose handler fails: a good one behind them is not held up', async (t) => {
  await withSetting(t, async (s) => {
    const bad = new Set(ids(3_000))
    const calls = new Map<string, number>()
    const life = await s.till({
      onOrder(orderId) {
        if (!bad.has(orderId)) return
        calls.set(orderId, (calls.get(orderId) ?? 0) + 1)
        throw new Error('no such price')
      },
    })
    await s.emit([...bad])
    const [good = ''] = ids(1)
    await s.emit([good])
    await eventually(() => s.effects().has(good), { what: 'the good one' })
    t.equal(await life.store.read.deadLetters.count(), 0, 'long before the others were given up')
    t.comment(`${[...calls.values()].reduce((sum, n) => sum + n, 0)} calls for ${calls.size} until then`)
    await s.nothingLeft()
    t.ok(s.parked().length > 0, 'while they are tried again, none of them is waited for in the stream')
  })
})

t.test('parked and not acknowledged: what comes again is neither counted nor handled, and goes on', async (t) => {
  await withSetting(t, async (s) => {
    let calls = 0
    const failing = () => {
      calls += 1
      throw new Error('not yet')
    }
    const first = await s.till({
      retryMs: NEVER_MS,
      onOrder: failing,
      wrap: (broker) => onEachDelivery(broker, (delivery) => ({ ...copy(delivery), ack() {} })),
    })
    const [orderId = ''] = ids(1)
    await s.emit([orderId])
    await eventually(() => s.parked().length === 1, { what: 'it is parked' })
    await first.stop()
    t.equal((await s.raw.jsm.consumers.info('ORDERS', DURABLE)).num_ack_pending, 1, 'as after a crash')

    const second = await s.till({ retryMs: NEVER_MS, onOrder: failing })
    await s.nothingLeft()
    t.equal(calls, 1)
    t.match(s.parked(), [{ attempts: 1 }])
    // The same event, as a stream made anew delivers it: for the first time.
    await s.publisher.store.write((tx) =>
      tx.outbox.append('orders.created.v1', orderData(orderId), {
        correlationId: orderId,
        eventId: s.parked()[0]?.event_key,
      }),
    )
    await s.nothingLeft()
    t.match(s.parked(), [{ attempts: 1 }], 'not counted either')
    await second.stop()

    await s.till({ retryMs: 5, onOrder: () => undefined })
    await eventually(() => s.effects().get(orderId) === 1, { what: 'another instance goes on with it' })
    t.strictSame(s.parked(), [])
  })
})

t.test('what an instance without the lease parks, the holder of the lease tries again', async (t) => {
  await withSetting(t, async (s) => {
    const holder = await s.till({ onOrder: () => undefined })
    await eventually(() => holder.messaging.lease.held(), { what: 'the lease' })
    let failed = 0
    await s.till({
      onOrder() {
        failed += 1
        throw new Error('not here')
      },
    })
    while (failed === 0) await s.emit(ids(50))
    await s.nothingLeft()
    await eventually(() => s.parked().length === 0, { what: 'none is parked any more' })
    t.ok([...s.effects().values()].every((times) => times === 1))
    t.equal(s.effects().size, query(`${s.dir}/publisher.sqlite`, 'SELECT DISTINCT correlation_id FROM outbox').length)
  })
})

t.test('its message is gone from the stream: it is tried all the same, and nothing of it stays', async (t) => {
  await withSetting(t, async (s) => {
    const [bad = '', lucky = ''] = ids(2)
    let broken = true
    const life = await s.till({
      retryMs: 20,
      onOrder(orderId) {
        if (broken || orderId === bad) throw new Error('not yet')
      },
    })
    await s.emit([bad, lucky])
    await eventually(() => s.parked().length === 2, { what: 'both are parked' })
    await s.publisher.stop()
    await s.raw.jsm.streams.delete('ORDERS')
    broken = false
    await eventually(() => s.effects().get(lucky) === 1, { what: 'the effect' })
    await eventually(async () => (await life.store.read.deadLetters.count()) === 1, { what: 'the dead letter' })
    t.strictSame(s.parked(), [])
    t.strictSame(query(tillFile(s.dir), 'SELECT * FROM handler_failures'), [])
  })
})

t.test('the wall clock jumps while messages are parked: their pauses neither end at once nor never', async (t) => {
  await withSetting(t, async (s) => {
    let ahead = 0
    const calls: number[] = []
    const life = await s.till({
      retryMs: 5,
      platform: { ...machine, now: () => Date.now() + ahead },
      onOrder() {
        calls.push(performance.now())
        ahead = [26 * HOUR_MS, -26 * HOUR_MS, HOUR_MS, -HOUR_MS][calls.length % 4] ?? 0
        throw new Error('no such price')
      },
    })
    await s.emit(ids(1))
    await eventually(async () => (await life.store.read.deadLetters.count()) === 1, { what: 'the dead letter' })
    t.equal(calls.length, 10)
    const least = [5, 10, 20, 40, 80, 160, 320, 500, 500]
    t.ok(
      calls.slice(1).every((at, i) => at - (calls[i] ?? 0) >= (least[i] ?? 0)),
      'never sooner',
    )
  })
})

t.test('a file that takes no writes: parked messages wait, and no attempt is counted', async (t) => {
  await withSetting(t, async (s) => {
    let broken = true
    const life = await s.till({
      retryMs: 200,
      onOrder() {
        if (broken) throw new Error('not yet')
        throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
      },
    })
    await s.emit(ids(1))
    await eventually(() => s.parked().length === 1, { what: 'it is parked' })
    broken = false
    const before = s.parked()
    await eventually(() => life.logs.some((line) => line.duty === 'retries'), { what: 'a retry ran into it' })
    t.strictSame(s.parked(), before)
    t.equal(await life.store.read.deadLetters.count(), 0)
  })
})
