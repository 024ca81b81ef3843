/**
 * What an owner of a stream decides from what it has read a while ago: it stood still, lost the lease, or the stream was made
 * anew in between.
 */
import type { Subscription } from '@checkout/contracts/topology.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { AGE_STEP_MS } from '@checkout/store/age.ts'
import { execute } from '@checkout/testkit/database.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import type { Broker } from '../src/broker.ts'
import { keptAge } from '../src/clean-up.ts'
import type { MessagingTx } from '../src/port.ts'
import { RETENTION_MS } from '../src/retention.ts'
import { type Life, openPublisherStore, patched, publisherFile, query, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open: () => open(), opened }
}

async function emit({ store }: Life<MessagingTx>, count: number) {
  await store.write(async (tx) => {
    for (let i = 0; i < count; i += 1) {
      const orderId = machine.newId()
      await tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId })
    }
  })
}

const acknowledged = (publisher: Life<MessagingTx>) =>
  eventually(() => publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'all acknowledged' })

t.test('a holder that stood still between reading the stream and its durables makes no durable anew', async (t) => {
  await withStage(t, async (stage) => {
    const { nats, dir, atEnd } = stage
    const { url } = nats
    const publisher = async (platform: Platform = machine, wrap: (broker: Broker) => Broker = (broker) => broker) => {
      const life = await startLife({
        service: 'orders-service',
        url,
        store: openPublisherStore(dir, platform),
        handlers: {},
        platform,
        wrap,
      })
      atEnd(life.stop)
      return life
    }
    const till = await startLife({ service: 'payments-service', url, store: openTill(dir), handlers: tillHandlers })
    atEnd(till.stop)
    const before = await publisher()
    await emit(before, 20)
    await acknowledged(before)
    await before.stop()

    const standstill = gate()
    atEnd(standstill.open)
    let standing = false
    let deleted = 0
    let looked = 0
    const platform: Platform = {
      ...machine,
      async sleep(ms, signal) {
        await machine.sleep(ms, signal)
        if (standing) await standstill.opened
      },
    }
    await publisher(platform, (broker) =>
      patched(broker, {
        async stream(...asked: Parameters<Broker['stream']>) {
          const state = await broker.stream(...asked)
          if (looked++ === 0) {
            standing = true
            await standstill.opened
            standing = false
          }
          return state
        },
        deleteDurable(subscription) {
          deleted += 1
          return broker.deleteDurable(subscription)
        },
      }),
    )
    await eventually(() => standing, { what: 'it stands still' })
    const next = await publisher()
    await emit(next, 30)
    await acknowledged(next)
    standstill.open()
    await emit(next, 10)
    await eventually(() => looked > 1, { what: 'it goes on' }).catch(() => undefined)
    await acknowledged(next)
    t.equal(deleted, 0, 'the durables are past what it had seen, and well')
    t.equal(query(tillFile(dir), EFFECTS).length, 60)
  })
})

t.test('a stream that has grown since it was looked at is looked at again, not made anew', async (t) => {
  await withStage(t, async ({ nats, dir, atEnd }) => {
    const { url } = nats
    const publisher = async (wrap: (broker: Broker) => Broker = (broker) => broker) => {
      const store = openPublisherStore(dir)
      const life = await startLife({ service: 'orders-service', url, store, handlers: {}, wrap })
      atEnd(life.stop)
      return life
    }
    const till = await startLife({ service: 'payments-service', url, store: openTill(dir), handlers: tillHandlers })
    atEnd(till.stop)
    const before = await publisher()
    await emit(before, 20)
    await acknowledged(before)
    await before.stop()

    let looked = 0
    let deleted = 0
    const next = await publisher((broker) =>
      patched(broker, {
        async stream(...asked: Parameters<Broker['stream']>) {
          const state = await broker.stream(...asked)
          looked += 1
          return looked === 1 && state && state !== 'foreign' ? { ...state, lastSeq: state.lastSeq - 5 } : state
        },
        deleteStream(name) {
          deleted += 1
          return broker.deleteStream(name)
        },
      }),
    )
    await emit(next, 5)
    await acknowledged(next)
    t.equal(deleted, 0)
    t.equal(query(tillFile(dir), EFFECTS).length, 25)
  })
})

t.test('the stream is made anew while its durables are looked at: what nobody has read stays', async (t) => {
  await withStage(t, async (stage) => {
    const { nats, dir, atEnd } = stage
    const { url } = nats
    const raw = await connectRaw(stage)
    const older = () =>
      execute(publisherFile(dir), `UPDATE ages SET ms = ms + ${keptAge(RETENTION_MS, AGE_STEP_MS.retention)}`)
    const held = gate()
    atEnd(held.open)
    let holding = 0
    const publisher = await startLife({
      service: 'orders-service',
      url,
      store: openPublisherStore(dir),
      handlers: {},
      wrap: (broker) =>
        patched(broker, {
          async durable(subscription: Subscription) {
            const state = await broker.durable(subscription)
            if (holding > 0) {
              holding -= 1
              await held.opened
            }
            return state
          },
        }),
    })
    atEnd(publisher.stop)
    const first = await startLife({ service: 'payments-service', url, store: openTill(dir), handlers: tillHandlers })
    atEnd(first.stop)
    const rows = () => query(publisherFile(dir), 'SELECT 1 FROM outbox').length
    await emit(publisher, 50)
    await acknowledged(publisher)
    older()
    await eventually(() => rows() === 0, { what: 'the first ones are retired' })
    await emit(publisher, 50)
    await acknowledged(publisher)
    await first.stop()

    // The upkeep has read the stream and its five durables, which have acknowledged everything, and goes on later.
    holding = 5
    await eventually(() => holding === 0, { what: 'the upkeep has read the durables' })
    await raw.jsm.streams.delete('ORDERS')
    // Beyond what the old one's durables had acknowledged, in batches of their own.
    for (const [count, lastSeq] of [
      [30, 80],
      [15, 95],
      [20, 115],
    ] as const) {
      await emit(publisher, count)
      await eventually(async () => (await raw.lastSeq('ORDERS')) === lastSeq, { what: 'the stream is made anew' })
      await eventually(async () => (await publisher.store.read.outbox.backlog()).rows === 0, { what: 'and recorded' })
    }
    older()
    held.open()
    const rounds = gate()
    setTimeout(rounds.open, 3_000).unref() // more than a round of the upkeep; nothing fails when it is too short
    await rounds.opened
    const second = await startLife({ service: 'payments-service', url, store: openTill(dir), handlers: tillHandlers })
    atEnd(second.stop)
    await eventually(() => rows() === 0, { what: 'all are read and retired' })
    t.equal(query(tillFile(dir), EFFECTS).length, 165, 'each order had its effect')
  })
})
