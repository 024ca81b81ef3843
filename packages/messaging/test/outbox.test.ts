/** The outbox's own bookkeeping: what waits, what is where in the stream, what is deleted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { openConnections } from '@checkout/store/sqlite.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { seeded } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import { deadLetterMigrations } from '../src/dead-letters.ts'
import { outboxSteps } from '../src/journey.ts'
import { messageId } from '../src/relay.ts'
import { change, openPublisherStore, publisherFile, query, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { orderData } from './support/till.ts'

const machine = createPlatform()

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

t.test('about() says where in the stream an event is, also where ids have gaps', async (t: Test) => {
  await withStage(t, async (stage) => {
    const store = openPublisherStore(stage.dir)
    const orderIds = Array.from({ length: 40 }, machine.newId)
    await Promise.allSettled(
      orderIds.map((orderId, i) =>
        store.write(async (tx) => {
          await tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId })
          if (i % 4 === 3) throw new Error('this member is rolled back')
        }),
      ),
    )
    // SQLite gives a rolled back id to the next member; a row that is missing for another reason leaves a gap.
    change(publisherFile(stage.dir), 'DELETE FROM outbox WHERE id IN (2, 3, 11, 20)')
    const relay = await startLife({ service: 'orders-service', url: stage.nats.url, store, handlers: {} })
    stage.atEnd(relay.stop)
    await eventually(async () => (await store.read.outbox.backlog()).rows === 0, { what: 'all published' })
    const stored = await (await connectRaw(stage)).messageIds('ORDERS')
    t.equal(stored.length, 26)
    const found = (await Promise.all(orderIds.map((orderId) => store.read.outbox.about(orderId)))).flat()
    t.strictSame(
      found.map(({ row, streamSeq }) => [messageId(row), streamSeq]),
      stored.map((id, i) => [id, i + 1]),
    )
    const steps = await outboxSteps(store.read.outbox, orderIds[20] ?? '')
    t.strictSame(
      steps.map(({ step }) => step),
      ['outbox', 'published'],
    )
  })
})

t.test('the backlog is what a count would find, whatever happened before', async (t) => {
  const random = seeded(t)
  await withStore(async (store, dir) => {
    const { outbox } = store.read
    const file = publisherFile(dir)
    const upTo = (sql: string) => query<{ id: number | null }>(file, sql)[0]?.id ?? 0
    for (let step = 0; step < 300; step += 1) {
      const published = upTo('SELECT max(last_id) AS id FROM publications')
      const waiting = await outbox.take(published, 1_000)
      const dice = random()
      if (dice < 0.5) {
        const members = Array.from({ length: 5 }, () =>
          store.write(async (tx) => {
            await tx.outbox.append('orders.created.v1', orderData(machine.newId()), { correlationId: 'order' })
            if (random() < 0.3) throw new Error('this member is rolled back')
          }),
        )
        await Promise.allSettled(members)
      } else if (dice < 0.8) {
        const batch = waiting.slice(0, 1 + Math.floor(random() * 8))
        const [first, last] = [batch[0], batch.at(-1)]
        if (!first || !last) continue
        const ids = { firstId: first.id, lastId: last.id, lastEventId: last.eventId }
        await store.write((tx) => tx.outbox.published({ ...ids, firstSeq: first.id, lastSeq: last.id }, 0))
      } else if (dice < 0.97) {
        const [retired] = query<{ id: number }>(
          file,
          'SELECT last_id AS id FROM publications ORDER BY random() LIMIT 1',
        )
        if (retired) await store.write((tx) => tx.outbox.retire(retired.id, 1 + Math.floor(random() * 20)))
      } else {
        await store.write((tx) => tx.outbox.restart(machine.newId()))
      }
      const counted = upTo(
        'SELECT count(*) AS id FROM outbox WHERE id > coalesce((SELECT max(last_id) FROM publications), 0)',
      )
      const { rows } = await outbox.backlog()
      if (rows !== counted) t.fail(`step ${step}: ${rows} instead of ${counted}`)
    }
    t.pass('at every step')
  })
})

t.test('publications are deleted in parts, too, and the newest one stays', async (t) => {
  await withStore(async (store, dir) => {
    const count = () => query<{ n: number }>(publisherFile(dir), 'SELECT count(*) AS n FROM publications')[0]?.n
    const one = (id: number) => ({ firstId: id, lastId: id, lastEventId: `event ${id}`, firstSeq: id, lastSeq: id })
    await store.write(async (tx) => {
      for (let id = 1; id <= 250; id += 1) {
        await tx.outbox.append('orders.created.v1', orderData(machine.newId()), { correlationId: 'order' })
        await tx.outbox.published(one(id), 0)
      }
    })
    const newest = async (seq: number, limit: number) =>
      (await store.read.outbox.newestRetirable(seq, 0, limit))?.lastId
    const found = [await newest(250, 100), await newest(40, 100), await newest(250, 1_000)]
    t.strictSame(found, [100, 40, 250], 'of the oldest ones')
    const retire = (upToId: number, limit: number) => store.write((tx) => tx.outbox.retire(upToId, limit))
    t.strictSame([await retire(250, 100), count()], [100, 150])
    // As after a large publication: rows are gone that many records were about.
    change(publisherFile(dir), 'DELETE FROM outbox WHERE id <= 249')
    t.strictSame([await retire(250, 100), count()], [100, 50])
    t.strictSame([await retire(250, 100), count()], [49, 1])
    t.strictSame([await retire(250, 100), count()], [0, 1])
    t.equal((await store.read.outbox.lastPublication())?.lastId, 250)
  })
})

t.test('the number of dead letters is kept, whoever adds and deletes them, also in a file from before', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'outbox-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const file = publisherFile(dir)
  const count = () => query<{ n: number }>(file, 'SELECT count(*) AS n FROM dead_letters')[0]?.n
  const letter = (n: number) => {
    const what = { consumer: 'c', eventKey: `event ${n}`, subject: 's', message: 'm', headers: '{}' }
    return { ...what, error: 'e', attempts: 1 }
  }
  openConnections(file, deadLetterMigrations.slice(0, 1), machine).close()
  change(file, "INSERT INTO dead_letters VALUES (1, 'old', 'c', 'old', 's', 'm', '{}', 'e', 1, 1)")
  const store = openPublisherStore(dir)
  const { deadLetters } = store.read
  t.equal(await deadLetters.count(), 1, 'those of before')
  await store.write(async (tx) => {
    for (const n of [1, 2, 3, 3, 2]) await tx.deadLetters.add(letter(n))
  })
  t.strictSame([await deadLetters.count(), count()], [4, 4], 'a repeated one is no other')
  const failed = store.write(async (tx) => {
    await tx.deadLetters.add(letter(4))
    throw new Error('rolled back')
  })
  await failed.catch(() => undefined)
  t.equal(await deadLetters.count(), 4)
  t.equal(await store.write((tx) => tx.deadLetters.remove('old')), true)
  t.equal(await store.write((tx) => tx.deadLetters.remove('old')), false)
  t.equal(await deadLetters.count(), 3)
  change(file, 'DELETE FROM dead_letters')
  t.equal(await deadLetters.count(), 0, 'by hand')
  await store.close()
})
