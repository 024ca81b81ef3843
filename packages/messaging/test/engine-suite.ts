/**
 * What the messaging's tables must do whatever the engine, over the port only: `engineSuite(open)` in a test file of its own.
 * That of the store itself is in packages/store/test/engine-suite.ts.
 */
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Store } from '@checkout/store/port.ts'
import t, { type Test } from 'tap'
import type { MessagingReads, MessagingTx } from '../src/port.ts'
import { orderData } from './support/till.ts'

const machine = createPlatform()

type MessagingStore = Store<MessagingTx, MessagingReads>

const append = (store: MessagingStore, orderId = machine.newId()) =>
  store.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }))

/** For any read: what they mean does not matter. */
const ARGUMENTS = ['x', 1, 1]

const message = { consumer: 'c', eventKey: 'event', subject: 's', message: 'm', headers: '{}', attempts: 1 }

/** @param open a store with the messaging's tables, empty; closed when the test has ended */
export function engineSuite(open: (t: Test) => MessagingStore): void {
  t.test('the outbox is in the order of the commits, without the events of who was rolled back', async (t) => {
    const store = open(t)
    const orderIds = Array.from({ length: 600 }, machine.newId)
    const refused = new Error('this member is rolled back')
    await Promise.allSettled(
      orderIds.map((correlationId, i) =>
        store.write(async (tx) => {
          await tx.outbox.append('orders.created.v1', orderData(correlationId), { correlationId })
          if (i % 4 === 3) throw refused
        }),
      ),
    )
    const rows = await store.read.outbox.take(0, 1_000)
    t.strictSame(
      rows.map(({ correlationId }) => correlationId),
      orderIds.filter((_, i) => i % 4 !== 3),
    )
    t.ok(
      rows.every(({ id }, i) => id > (rows[i - 1]?.id ?? 0)),
      'under ascending ids',
    )
    t.strictSame(await store.read.outbox.take(rows[99]?.id ?? 0, 5), rows.slice(100, 105))
  })

  t.test('about() stays right while a large publication is being deleted in parts', async (t) => {
    const store = open(t)
    const orderIds = Array.from({ length: 20 }, machine.newId)
    for (const orderId of orderIds) await append(store, orderId)
    const [last] = await store.read.outbox.about(orderIds[19] ?? '')
    const lastEventId = last?.row.eventId ?? ''
    await store.write((tx) =>
      tx.outbox.published({ firstId: 1, lastId: 20, lastEventId, firstSeq: 101, lastSeq: 120 }, 0),
    )
    const seqOf = async (i: number) => (await store.read.outbox.about(orderIds[i] ?? ''))[0]?.streamSeq
    t.equal(await seqOf(14), 115)
    t.equal(await store.write((tx) => tx.outbox.retire(20, 10)), 10)
    t.equal(await seqOf(9), undefined, 'deleted')
    t.equal(await seqOf(14), 115, 'the rest is where it was')
  })

  t.test('the backlog is what is not in the stream, and since when', async (t) => {
    const store = open(t)
    const { outbox } = store.read
    t.strictSame(await outbox.backlog(), { rows: 0, oldestMs: 0 })
    const first = await append(store)
    const second = await append(store)
    t.equal((await outbox.backlog()).rows, 2)
    await store.write(async (tx) => {
      await tx.outbox.restart('one')
      await tx.outbox.published({ firstId: 1, lastId: 1, lastEventId: first, firstSeq: 1, lastSeq: 1 }, 0)
    })
    t.equal((await outbox.backlog()).rows, 1)
    t.match(await outbox.take(1, 10), [{ eventId: second }])
    await store.write((tx) => tx.outbox.restart('two'))
    t.equal((await outbox.backlog()).rows, 2, 'a stream made anew has nothing')
    t.equal(await outbox.incarnation(), 'two')
  })

  t.test('ids are never used twice, not even after the newest row was deleted', async (t) => {
    const store = open(t)
    await append(store)
    await append(store)
    await store.write((tx) => tx.outbox.retire(2, 10))
    await append(store)
    t.match(await store.read.outbox.take(0, 10), [{ id: 3 }])
  })

  t.test('a reader never sees what is not committed', async (t) => {
    const store = open(t)
    let seen: unknown[] | undefined
    const undone = store.write(async (tx) => {
      await tx.outbox.append('orders.created.v1', orderData(machine.newId()), { correlationId: 'order' })
      seen = await store.read.outbox.take(0, 10)
      throw new Error('a transaction may not wait for a read')
    })
    await t.rejects(undone)
    t.strictSame(seen, [])
    await append(store)
    t.equal((await store.read.outbox.take(0, 10)).length, 1)
  })

  t.test('a read that fails rejects: nothing is thrown at who has not awaited it yet', async (t) => {
    const store = open(t)
    await store.close()
    const reads = (of: object): (() => unknown)[] =>
      Object.values(of).flatMap((read) =>
        typeof read === 'function' ? [() => read(...ARGUMENTS)] : reads(read as object),
      )
    for (const read of reads(store.read)) {
      const answer = read()
      t.type(answer, Promise)
      await t.rejects(answer as Promise<unknown>)
    }
  })

  t.test('of racing claims to an event one is the first', async (t) => {
    const store = open(t)
    const claims = Array.from({ length: 20 }, () => store.write((tx) => tx.inbox.claim('event')))
    t.strictSame(await Promise.all(claims), [true, ...Array(19).fill(false)])
    const undone = store.write(async (tx) => {
      await tx.inbox.claim('other')
      throw new Error('its effect failed')
    })
    await t.rejects(undone)
    t.equal(await store.write((tx) => tx.inbox.claim('other')), true, 'a claim goes with its effect')
  })

  t.test('a message is a dead letter once, and parked once, per consumer', async (t) => {
    const store = open(t)
    const { deadLetters, parked } = store.read
    const dead = { ...message, error: 'e' }
    const kept = { ...message, streamSeq: 1, deliveries: 1 }
    await store.write(async (tx) => {
      for (const eventKey of ['a', 'b', 'a']) await tx.deadLetters.add({ ...dead, eventKey })
      await tx.deadLetters.add({ ...dead, consumer: 'd', eventKey: 'a' })
      for (const eventKey of ['a', 'x', 'x']) await tx.parked.add({ ...kept, eventKey })
      t.equal(await tx.parked.has('c', 'x'), true)
      t.equal(await tx.parked.has('c', 'a'), false, 'it is a dead letter')
    })
    t.equal(await deadLetters.count(), 3)
    const [newest, ...older] = await deadLetters.list(Number.MAX_SAFE_INTEGER, 10)
    t.match(newest, { consumer: 'd', eventKey: 'a' }, 'newest first')
    t.strictSame(await deadLetters.list(newest?.seq ?? 0, 10), older)
    const remove = () => store.write((tx) => tx.deadLetters.remove(newest?.id ?? ''))
    t.strictSame([await remove(), await remove()], [true, false])
    t.strictSame([await deadLetters.count(), await deadLetters.one(newest?.id ?? '')], [2, undefined])

    const [row] = await parked.failed(1, (await parked.newest()) ?? 0, 10)
    await store.write(async (tx) => {
      t.equal(await tx.parked.remove(row?.id ?? 0), true)
      await tx.parked.add({ ...kept, eventKey: 'x', attempts: 2 })
    })
    t.ok(((await parked.newest()) ?? 0) > (row?.id ?? 0), 'one that failed again is behind all others')
    await store.write((tx) => tx.parked.probe())
    t.equal((await parked.failed(2, (await parked.newest()) ?? 0, 10)).length, 1, 'a probe leaves nothing')
  })

  t.test('arrears: what touches is joined, and settled once', async (t) => {
    const store = open(t)
    const { arrears } = store.read.outbox
    await store.write(async (tx) => {
      await tx.outbox.arrears.note({ durable: 'd', fromId: 1, toId: 5 })
      await tx.outbox.arrears.note({ durable: 'd', fromId: 6, toId: 9 })
      await tx.outbox.arrears.note({ durable: 'd', fromId: 20, toId: 30 })
      await tx.outbox.arrears.note({ durable: 'e', fromId: 3, toId: 4 })
      t.equal(await tx.outbox.arrears.oldestId(), 1)
    })
    const first = { durable: 'd', fromId: 1, toId: 9 }
    t.strictSame(await arrears.first('d'), first)
    t.match(await arrears.spans(), [
      { durable: 'd', rows: 20 },
      { durable: 'e', rows: 2 },
    ])
    const settle = (upToId: number) => store.write((tx) => tx.outbox.arrears.settle(first, upToId))
    t.equal(await settle(4), true)
    t.strictSame(await arrears.first('d'), { durable: 'd', fromId: 5, toId: 9 })
    t.equal(await settle(9), false, 'they are not there any more')
    await store.write((tx) => tx.outbox.restart('anew'))
    t.strictSame(await arrears.spans(), [], 'a stream made anew owes nothing')
  })
}
