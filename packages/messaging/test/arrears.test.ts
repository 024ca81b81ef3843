/**
 * A subscription that is away, or slow, while its stream fills several times over: it delays nobody but itself, and gets
 * everything afterwards, once.
 */
import { join } from 'node:path'
import type { EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { Broker } from '../src/broker.ts'
import type { Handlers } from '../src/handling.ts'
import type { MessagingTx } from '../src/port.ts'
import { copy, onEachDelivery } from './delivery-suite.ts'
import {
  type Life,
  openPublisherStore,
  patched,
  publisherFile,
  query,
  type Stage,
  startLife,
  withStage,
} from './support/life.ts'
import { connectRaw, type Raw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(600_000)

const STREAM_MAX_BYTES = 128 * 1024
/** Several times what a stream of that size holds. */
const MANY = 300
const LETTERS = 'notifications-service_orders-paid-v1'

const ring = async (tx: TillTx, event: { id: string; data: { orderId: string } }) => {
  if (!(await tx.inbox.claim(event.id))) return
  if (await tx.till.claim(event.data.orderId)) await tx.till.effect(event.data.orderId, event.id)
}
const readerHandlers: Partial<Record<ServiceName, Handlers<TillTx>>> = {
  'payments-service': { 'orders.created.v1': ring, 'users.registered.v1': async () => undefined },
  'notifications-service': {
    'orders.paid.v1': ring,
    'orders.failed.v1': ring,
    'users.registered.v1': async () => undefined,
  },
  'orders-service': { 'payments.succeeded.v1': ring, 'payments.failed.v1': ring },
}

interface PublisherOptions {
  owner?: ServiceName
  wrap?: (broker: Broker) => Broker
  retentionMs?: number
  platform?: Platform
}

interface Setting extends Stage {
  raw: Raw
  /** The owner of the stream; the newest that was started. */
  publisher: Life<MessagingTx>
  startPublisher(options?: PublisherOptions): Promise<Life<MessagingTx>>
  /** With the ids in its file's folder, so that another life goes on with it. */
  reader(service: ServiceName, wrap?: (broker: Broker) => Broker): Promise<Life<TillTx>>
  emit(type: EventType, orderIds: readonly string[]): Promise<void>
  effects(service: ServiceName): Map<string, number>
  /** Resolves when each order had its effect there; then checks that it had it once, and that nothing else had. */
  gets(service: ServiceName, orderIds: readonly string[]): Promise<void>
  arrears(): { durable: string; from_id: number; to_id: number }[]
  rows(): number
}

async function withSetting(t: Test, body: (setting: Setting) => Promise<void>): Promise<void> {
  await withStage(t, async (stage) => {
    const { url } = stage.nats
    const folder = (service: ServiceName) => join(stage.dir, service)
    const s: Setting = {
      ...stage,
      raw: await connectRaw(stage),
      publisher: undefined as never,
      async startPublisher({ owner = 'orders-service', platform = machine, ...options } = {}) {
        const store = openPublisherStore(stage.dir, platform)
        s.publisher = await startLife({
          service: owner,
          url,
          store,
          handlers: {},
          streamMaxBytes: STREAM_MAX_BYTES,
          platform,
          ...options,
        })
        stage.atEnd(s.publisher.stop)
        return s.publisher
      },
      async reader(service, wrap) {
        const life = await startLife({
          service,
          url,
          store: openTill(folder(service)),
          handlers: readerHandlers[service] ?? {},
          ...(wrap && { wrap }),
        })
        stage.atEnd(life.stop)
        return life
      },
      async emit(type, orderIds) {
        const { store } = s.publisher
        const extra = { transactionId: machine.newId(), reason: 'insufficient_funds' as const }
        await store.write(async (tx) => {
          for (const id of orderIds) await tx.outbox.append(type, { ...orderData(id), ...extra }, { correlationId: id })
        })
      },
      effects: (service) =>
        new Map(
          query<{ key: string; times: number }>(tillFile(folder(service)), EFFECTS).map((row) => [row.key, row.times]),
        ),
      async gets(service, orderIds) {
        const missing = () => {
          const seen = s.effects(service)
          return orderIds.filter((id) => !seen.has(id)).length
        }
        await eventually(() => missing() === 0 || Promise.reject(new Error(`${missing()} are missing`)), {
          what: `${service} has got ${orderIds.length}`,
          deadlineMs: 120_000,
        })
        const seen = s.effects(service)
        t.ok(
          orderIds.every((id) => seen.get(id) === 1),
          `${service} got ${orderIds.length}, each once`,
        )
      },
      arrears: () => query(publisherFile(stage.dir), 'SELECT * FROM arrears ORDER BY durable, from_id'),
      rows: () => query(publisherFile(stage.dir), 'SELECT 1 FROM outbox').length,
    }
    await body(s)
  })
}

const ids = (count: number) => Array.from({ length: count }, machine.newId)

/** As many orders as fill the stream several times, each created and paid, with nobody to read the second. */
async function fillWithoutLetters(s: Setting): Promise<string[]> {
  const orderIds = ids(MANY)
  for (let at = 0; at < MANY; at += 50) {
    const some = orderIds.slice(at, at + 50)
    await s.emit('orders.created.v1', some)
    await s.emit('orders.paid.v1', some)
  }
  await s.gets('payments-service', orderIds)
  return orderIds
}

const settled = (s: Setting) => eventually(() => s.arrears().length === 0, { what: 'nobody is in arrears' })

t.test('a subscription that is away: the others get everything meanwhile, it gets everything afterwards', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    const orderIds = await fillWithoutLetters(s)
    t.match(new Set(s.arrears().map(({ durable }) => durable)), new Set([LETTERS]), 'it alone is in arrears')
    const { bytes } = (await s.raw.jsm.streams.info('ORDERS')).state
    t.ok(bytes <= STREAM_MAX_BYTES, 'and the stream no larger than it may be')
    t.ok(s.rows() >= MANY, 'what it lacks is in the outbox, however old')
    const told = (what: RegExp) => s.publisher.logs.filter(({ msg, durable }) => what.test(msg) && durable === LETTERS)
    t.equal(told(/is in arrears/).length, 1, 'the log says so once')
    await s.reader('notifications-service')
    await s.gets('notifications-service', orderIds)
    await settled(s)
    t.equal(told(/everything that it lacked/).length, 1, 'and that it is over')
    await eventually(() => s.rows() === 0, { what: 'afterwards the rows are deleted' })
    t.notOk(
      s.publisher.logs.some(({ msg, why }) => /anew/.test(msg) && why !== 'it does not exist'),
      'the stream was never made anew',
    )
  })
})

t.test('half of the stream waits for one subscription: the log warns of it, while there is time', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher()
    await s.emit('orders.paid.v1', ids(1))
    const bytes = async () => (await s.raw.jsm.streams.info('ORDERS')).state.bytes
    const one = await eventually(bytes, { what: 'the size of a message' })
    await s.emit('orders.paid.v1', ids(Math.ceil((0.6 * STREAM_MAX_BYTES) / one)))
    const warned = () => s.publisher.logs.find(({ msg }) => /half of the stream/.test(msg))
    t.equal((await eventually(warned, { what: 'the warning' })).durable, LETTERS)
    t.strictSame(s.arrears(), [], 'it is not in arrears yet')
  })
})

t.test('a subscription that is slow: it gets everything, and the others do not wait for it', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    let handed = 0
    let fast = false
    await s.reader('notifications-service', (broker) =>
      patched(broker, {
        async pull(subscription) {
          const pull = await broker.pull(subscription)
          return {
            stop: () => pull.stop(),
            async *[Symbol.asyncIterator]() {
              for await (const delivery of pull) {
                if (!fast) await machine.sleep(20)
                handed += 1
                yield delivery
              }
            },
          }
        },
      }),
    )
    const orderIds = await fillWithoutLetters(s)
    t.ok(handed < MANY, `${handed} of ${MANY} read when the others had all`)
    fast = true
    await s.gets('notifications-service', orderIds)
    await settled(s)
  })
})

t.test(
  'nobody reads at all, of the stream of payments: its owner goes on, and the reader gets everything',
  async (t) => {
    await withSetting(t, async (s) => {
      await s.startPublisher({ owner: 'payments-service', retentionMs: 1 })
      const [paid, failed] = [ids(MANY), ids(MANY)]
      await s.emit('payments.succeeded.v1', paid)
      await s.emit('payments.failed.v1', failed)
      await eventually(async () => (await s.publisher.store.read.outbox.backlog()).rows === 0, {
        what: 'all is published',
      })
      await s.reader('orders-service')
      await s.gets('orders-service', [...paid, ...failed])
      await settled(s)
      await eventually(() => s.rows() === 0, { what: 'afterwards the rows are deleted' })
    })
  },
)

for (const [title, comesLate] of [
  ['dead between the note and the purge: nothing is missing', false],
  ['stood still between the note and the purge, which comes late: nothing is missing', true],
] as const) {
  t.test(title, async (t) => {
    await withSetting(t, async (s) => {
      let purges = 0
      let late = async () => {}
      let end = () => {}
      const first = await s.startPublisher({
        retentionMs: 1,
        wrap: (broker) =>
          patched(broker, {
            purge(stream, seq) {
              if (++purges < 3) return broker.purge(stream, seq)
              late = () => s.raw.jsm.streams.purge(stream, { seq }).then(() => undefined)
              return new Promise((_, reject) => {
                end = () => reject(new Error('the test ends'))
              })
            },
          }),
      })
      await s.reader('payments-service')
      const orderIds = ids(MANY)
      await s.emit('orders.created.v1', orderIds)
      await s.emit('orders.paid.v1', orderIds)
      await eventually(() => purges === 3, { what: 'it is about to purge' })
      // It does not come back from there, as a process that is killed or stopped: another instance takes over.
      s.atEnd(() => end())
      await first.messaging.lease.stop()
      const next = await s.startPublisher({ retentionMs: 1 })
      await eventually(() => next.messaging.lease.held(), { what: 'the takeover' })
      if (comesLate) await late()
      await s.gets('payments-service', orderIds)
      if (comesLate) await late()
      await s.reader('notifications-service')
      await s.gets('notifications-service', orderIds)
      await settled(s)
    })
  })
}

t.test('the broker is wiped while a subscription is in arrears: everything comes again, in time', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    const before = await fillWithoutLetters(s)
    t.ok(s.arrears().length > 0)
    await s.nats.kill()
    s.nats.wipeStore()
    await s.nats.start()
    const after = await fillWithoutLetters(s)
    await s.reader('notifications-service')
    await s.gets('notifications-service', [...before, ...after])
    await settled(s)
  })
})

t.test('its durable is deleted while it is in arrears, and the owner restarted while it catches up', async (t) => {
  await withSetting(t, async (s) => {
    const first = await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    const orderIds = await fillWithoutLetters(s)
    await s.raw.jsm.consumers.delete('ORDERS', LETTERS)
    await eventually(() => s.raw.jsm.consumers.info('ORDERS', LETTERS), { what: 'made anew' })
    await s.reader('notifications-service')
    await eventually(() => s.effects('notifications-service').size > MANY / 4, { what: 'it catches up' })
    await first.stop()
    await s.startPublisher({ retentionMs: 1 })
    await s.gets('notifications-service', orderIds)
    await settled(s)
  })
})

t.test('somebody else purges the stream while a subscription is in arrears: that is still noticed', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    const orderIds = await fillWithoutLetters(s)
    await eventually(async () => (await s.publisher.store.read.outbox.backlog()).rows === 0, {
      what: 'all is published',
    })
    await s.raw.jsm.streams.purge('ORDERS', { keep: 1 })
    await eventually(() => s.publisher.logs.some(({ why }) => why === 'its oldest messages are gone'), {
      what: 'the purge is noticed',
    })
    await s.reader('notifications-service')
    await s.gets('notifications-service', orderIds)
    await settled(s)
  })
})

t.test('it dies again while it catches up, its acknowledgements lost: each once all the same', async (t) => {
  await withSetting(t, async (s) => {
    await s.startPublisher({ retentionMs: 1 })
    await s.reader('payments-service')
    const before = await fillWithoutLetters(s)
    let acks = 0
    const first = await s.reader('notifications-service', (broker) =>
      onEachDelivery(broker, (delivery) => ({
        ...copy(delivery),
        ack() {
          if (++acks % 3 > 0) delivery.ack()
        },
      })),
    )
    await eventually(() => s.effects('notifications-service').size > MANY / 4, { what: 'it catches up' })
    await first.stop()
    const after = await fillWithoutLetters(s)
    await s.reader('notifications-service')
    await s.gets('notifications-service', [...before, ...after])
    await settled(s)
    t.equal(s.effects('notifications-service').size, 2 * MANY)
  })
})
