/** The outbox's own bookkeeping: what waits, what is where in the stream, what is deleted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuidv7 } from '@checkout/service/clock.ts'
import t, { type Test } from 'tap'
import { eventually } from '../../../test/support/eventually.ts'
import { outboxSteps } from '../src/journey.ts'
import { messageId } from '../src/relay.ts'
import { change, openPublisherStore, publisherFile, query, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { orderData } from './support/till.ts'

t.setTimeout(120_000)

async function withStore(body: (store: ReturnType<typeof openPublisherStore>, dir: string) => Promise<void>) {
  const dir = mkdtempSync(join(tmpdir(), 'outbox-'))
  const store = openPublisherStore(dir)
  try {
    await body(store, dir)
  } finally {
    await store.close()
    rmSync(dir, { recursive: true })
  }
}

type PublisherStore = ReturnType<typeof openPublisherStore>

const append = (store: PublisherStore, orderId = uuidv7()) =>
  store.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }))

t.test('about() says where in the stream an event is, also where ids have gaps', async (t: Test) => {
  await withStage(t, async (stage) => {
    const store = openPublisherStore(stage.dir)
    const orderIds = Array.from({ length: 40 }, uuidv7)
    await Promise.allSettled(
      orderIds.map((orderId, i) =>
        store.write((tx) => {
          tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId })
          if (i % 4 === 3) throw new Error('this member is rolled back')
        }),
      ),
    )
    // SQLite gives a rolled back id to the next member; a row that is missing for another reason leaves a gap.
    change(publisherFile(stage.dir), 'DELETE FROM outbox WHERE id IN (2, 3, 11, 20)')
    const relay = await startLife({ service: 'orders-service', url: stage.nats.url, store, handlers: {} })
    stage.atEnd(relay.stop)
    await eventually(() => store.read.outbox.backlog().rows === 0, { what: 'all published' })
    const stored = await (await connectRaw(stage)).messageIds('ORDERS')
    t.equal(stored.length, 26)
    const found = orderIds.flatMap((orderId) => store.read.outbox.about(orderId))
    t.strictSame(
      found.map(({ row, streamSeq }) => [messageId(row), streamSeq]),
      stored.map((id, i) => [id, i + 1]),
    )
    const steps = outboxSteps(store.read.outbox, orderIds[20] ?? '')
    t.strictSame(
      steps.map(({ step }) => step),
      ['outbox', 'published'],
    )
  })
})

t.test('about() stays right while a large publication is being deleted in parts', async (t) => {
  await withStore(async (store) => {
    const orderIds = Array.from({ length: 20 }, uuidv7)
    for (const orderId of orderIds) await append(store, orderId)
    const [last] = store.read.outbox.about(orderIds[19] ?? '')
    const lastEventId = last?.row.eventId ?? ''
    await store.write((tx) => tx.outbox.published({ firstId: 1, lastId: 20, lastEventId, firstSeq: 101, lastSeq: 120 }))
    const seqOf = (i: number) => store.read.outbox.about(orderIds[i] ?? '')[0]?.streamSeq
    t.equal(seqOf(14), 115)
    t.equal(await store.write((tx) => tx.outbox.retire(20, 10)), 10)
    t.equal(seqOf(9), undefined, 'deleted')
    t.equal(seqOf(14), 115, 'the rest is where it was')
  })
})

t.test('the backlog is what is not in the stream, and since when', async (t) => {
  await withStore(async (store) => {
    const { outbox } = store.read
    t.strictSame(outbox.backlog(), { rows: 0, oldestMs: 0 })
    const first = await append(store)
    const second = await append(store)
    t.equal(outbox.backlog().rows, 2)
    await store.write((tx) => {
      tx.outbox.restart('one')
      tx.outbox.published({ firstId: 1, lastId: 1, lastEventId: first, firstSeq: 1, lastSeq: 1 })
    })
    t.equal(outbox.backlog().rows, 1)
    t.match(outbox.take(1, 10), [{ eventId: second }])
    await store.write((tx) => tx.outbox.restart('two'))
    t.equal(outbox.backlog().rows, 2, 'a stream made anew has nothing')
    t.equal(outbox.incarnation(), 'two')
  })
})

t.test('ids are never used twice, not even after the newest row was deleted', async (t) => {
  await withStore(async (store, dir) => {
    await append(store)
    await append(store)
    await store.write((tx) => tx.outbox.retire(2, 10))
    await append(store)
    t.strictSame(query(publisherFile(dir), 'SELECT id FROM outbox'), [{ id: 3 }])
  })
})

t.test('a reader never sees what is not committed', async (t) => {
  await withStore(async (store) => {
    let seen: number | undefined
    await store.write((tx) => {
      tx.outbox.append('orders.created.v1', orderData(uuidv7()), { correlationId: 'order' })
      seen = store.read.outbox.take(0, 10).length
    })
    t.equal(seen, 0)
    t.equal(store.read.outbox.take(0, 10).length, 1)
  })
})
