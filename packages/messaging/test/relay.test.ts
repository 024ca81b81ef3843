/** The relay: order, batches, waking, one publisher at a time, crashes and late publishes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { subscriptions } from '@checkout/contracts/topology.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { StoreUnavailable } from '@checkout/store/unit-of-work.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { Broker } from '../src/broker.ts'
import { messageId } from '../src/relay.ts'
import type { LastCall } from './support/dying-publisher.ts'
import { openPublisherStore, patched, publisherFile, query, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { orderData } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

interface PublisherOptions {
  store?: ReturnType<typeof openPublisherStore>
  wrap?: (broker: Broker) => Broker
  platform?: Platform
}

async function publisher(stage: Stage, { wrap, platform = machine, ...options }: PublisherOptions = {}) {
  const store = options.store ?? openPublisherStore(stage.dir, platform)
  const { url } = stage.nats
  const life = await startLife({ service: 'orders-service', url, store, handlers: {}, platform, ...(wrap && { wrap }) })
  stage.atEnd(life.stop)
  const append = (count: number) =>
    Promise.all(
      Array.from({ length: count }, () => {
        const orderId = machine.newId()
        return store.write((tx) =>
          tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
        )
      }),
    )
  return {
    ...life,
    append,
    published: () => eventually(async () => (await store.read.outbox.backlog()).rows === 0, { what: 'all published' }),
  }
}

/** What the stream has to hold: the retained outbox, in order, each row once. */
const expected = ({ dir }: Stage) =>
  query<{ id: number; event_id: string }>(publisherFile(dir), 'SELECT id, event_id FROM outbox ORDER BY id').map(
    (row) => messageId({ id: row.id, eventId: row.event_id }),
  )

t.test('the outbox order is the stream order, across batches; a publication is recorded per batch', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const relay = await publisher(stage)
    await relay.append(700)
    await relay.published()
    const wanted = expected(stage)
    t.equal(wanted.length, 700)
    t.strictSame(await raw.messageIds('ORDERS'), wanted)
    const batches = query<{ first_id: number; last_id: number; first_seq: number; last_seq: number }>(
      publisherFile(stage.dir),
      'SELECT * FROM publications ORDER BY last_id',
    )
    t.ok(batches.length < 100, `${batches.length} records for 700 rows`)
    t.ok(batches.every((b) => b.last_seq - b.first_seq < 256))
    t.strictSame([batches[0]?.first_seq, batches.at(-1)?.last_seq], [1, 700])
    t.ok(
      batches.every((b, i) => i === 0 || b.first_seq === (batches[i - 1]?.last_seq ?? 0) + 1),
      'without a gap',
    )
  })
})

/** A platform on which the relay's poll never comes, so that only being woken is left. */
const noPoll: Platform = {
  ...machine,
  sleep: (ms, signal) =>
    ms === 500
      ? new Promise((resolve) => signal?.addEventListener('abort', () => resolve()))
      : machine.sleep(ms, signal),
}

t.test('the relay is woken by commits: its own, and those of another program on the file', async (t) => {
  await withStage(t, async (stage) => {
    const relay = await publisher(stage, { platform: noPoll })
    for (let round = 0; round < 5; round++) {
      await relay.append(1)
      await relay.published()
    }
    const other = openPublisherStore(stage.dir)
    stage.atEnd(() => other.close())
    const orderId = machine.newId()
    await other.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }))
    await relay.published()
    t.pass('published without a poll')
  })
})

t.test('of two instances on one file only one publishes; when it stops, the other goes on', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const by = { first: 0, second: 0 }
    const counting = (who: keyof typeof by) => (broker: Broker) =>
      patched(broker, {
        publish(stream, messages, lastSeq) {
          by[who] += messages.length
          return broker.publish(stream, messages, lastSeq)
        },
      })
    const first = await publisher(stage, { wrap: counting('first') })
    await first.append(50)
    await first.published()
    const second = await publisher(stage, { wrap: counting('second') })
    await second.append(50)
    await second.published()
    t.strictSame(by, { first: 100, second: 0 })
    t.ok(first.messaging.lease.held() && !second.messaging.lease.held())
    await first.stop()
    await second.append(50)
    await second.published()
    t.strictSame(by, { first: 100, second: 50 })
    t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once')
  })
})

/** An earlier life of the relay, which published so many rows and stopped. */
async function publishedBefore(stage: Stage, rows: number) {
  const before = await publisher(stage)
  await before.append(rows)
  await before.published()
  await before.stop()
}

/** A relay that finds 30 more rows to publish and is killed right after that call of the broker. */
async function dieAfter(t: Test, { nats, dir }: Stage, lastCall: LastCall) {
  const program = new URL('./support/dying-publisher.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, nats.url, dir, lastCall], { stdio: 'inherit' })
  const [, signal] = await once(child, 'exit')
  t.equal(signal, 'SIGKILL', `it died right after ${lastCall}`)
}

t.test('killed between publish and record: the next relay adopts, and publishes nothing twice', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    await publishedBefore(stage, 10)

    await dieAfter(t, stage, 'publish')
    t.equal(await raw.lastSeq('ORDERS'), 40, 'its 30 rows are in the stream')
    t.equal(query(publisherFile(stage.dir), 'SELECT 1 FROM publications WHERE last_seq > 10').length, 0, 'unrecorded')

    const after = await publisher(stage)
    await after.append(10)
    await after.published()
    t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order')
    t.equal(after.logs.filter((line) => /adopted/.test(line.msg)).length, 1)
    t.notOk(
      after.logs.some((line) => /anew/.test(line.msg) && line.stream === 'ORDERS'),
      'the stream was kept',
    )
  })
})

t.test(
  'a record that fails while the next batch is under way: both are adopted, and the records have no gap',
  async (t) => {
    await withStage(t, async (stage) => {
      const raw = await connectRaw(stage)
      const store = openPublisherStore(stage.dir)
      const record = Promise.withResolvers<never>()
      let records = 0
      const write: typeof store.write = (work, options) => {
        if (!options?.patienceMs) return store.write(work, options)
        records += 1
        return records === 1 ? record.promise : store.write(work, options)
      }
      let batches = 0
      const wrap = (broker: Broker) =>
        patched(broker, {
          async publish(stream, messages, lastSeq) {
            await broker.publish(stream, messages, lastSeq)
            batches += 1
            if (batches !== 2) return
            record.reject(new StoreUnavailable('the disk is full'))
            await new Promise(setImmediate)
          },
        })
      const relay = await publisher(stage, { store: { ...store, write }, wrap })
      await relay.append(300)
      await relay.published()
      await relay.append(1)
      await relay.published()
      t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order')
      t.equal(relay.logs.filter(({ msg }) => /adopted/.test(msg)).length, 1)
      const recorded = query<{ first_id: number; last_id: number; first_seq: number; last_seq: number }>(
        publisherFile(stage.dir),
        'SELECT first_id, last_id, first_seq, last_seq FROM publications ORDER BY last_id',
      )
      t.strictSame(recorded, [
        { first_id: 1, last_id: 300, first_seq: 1, last_seq: 300 },
        { first_id: 301, last_id: 301, first_seq: 301, last_seq: 301 },
      ])
    })
  },
)

t.test('the oldest messages are purged by somebody before anybody has read them: published again', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    await publishedBefore(stage, 20)
    await raw.jsm.streams.purge('ORDERS', { seq: 6 })
    t.equal((await raw.messageIds('ORDERS')).length, 15)

    const after = await publisher(stage)
    await after.append(1)
    await after.published()
    t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order')
    t.ok(after.logs.some(({ why }) => why === 'its oldest messages are gone'))
  })
})

for (const lastCall of ['deleteStream', 'createStream', 'createDurable'] as const) {
  t.test(
    `killed while it makes the stream anew, after ${lastCall}: the next relay finishes what it began`,
    async (t) => {
      await withStage(t, async (stage) => {
        const raw = await connectRaw(stage)
        await publishedBefore(stage, 10)
        await raw.publish('orders.created.v1', '{}', 'stranger')

        await dieAfter(t, stage, lastCall)
        const after = await publisher(stage)
        await after.append(10)
        await after.published()
        t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order, and nothing else')
        for (const { durable } of subscriptions.filter(({ stream }) => stream === 'ORDERS')) {
          const { delivered } = await raw.jsm.consumers.info('ORDERS', durable)
          t.equal(delivered.stream_seq, 0, `${durable} reads it from the beginning`)
        }
      })
    },
  )
}

t.test(
  'a holder that stood still and wakes up after the takeover publishes late: the stream stays right',
  async (t) => {
    await withStage(t, async (stage) => {
      const raw = await connectRaw(stage)
      let wake = () => {}
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      stage.atEnd(() => wake())
      let standing: 'not yet' | 'from the next publish' | 'now' = 'not yet'
      const platform: Platform = {
        ...machine,
        async sleep(ms, signal) {
          await machine.sleep(ms, signal)
          if (standing === 'now') await woken
        },
      }
      const attempts: string[] = []
      const old = await publisher(stage, {
        platform,
        wrap: (broker) =>
          patched(broker, {
            async publish(stream, messages, lastSeq) {
              if (standing !== 'from the next publish') return broker.publish(stream, messages, lastSeq)
              standing = 'now'
              await woken
              try {
                await broker.publish(stream, messages, lastSeq)
                attempts.push('stored')
              } catch (error) {
                attempts.push(String((error as Error).message))
                throw error
              }
            },
          }),
      })
      await old.append(20)
      await old.published()
      standing = 'from the next publish'
      await old.append(20)
      await eventually(() => standing === 'now', { what: 'it stands still, about to publish' })
      const next = await publisher(stage)
      await next.published()
      await next.append(5)
      await next.published()
      t.ok(next.messaging.lease.held())
      wake()
      await eventually(() => attempts.length > 0, { what: 'the late publish' })
      t.not(attempts[0], 'stored', `refused: ${attempts[0]}`)
      await next.append(20)
      await next.published()
      t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order')
      await next.stop()
      await old.append(20)
      await old.published()
      t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'also when it takes over again')
    })
  },
)

t.test('a record that the file refused: adopted afterwards', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    let failures = 0
    const relay = await publisher(stage, {
      wrap: (broker) =>
        patched(broker, {
          async publish(stream, messages, lastSeq) {
            await broker.publish(stream, messages, lastSeq)
            if (++failures <= 2) throw new Error('the answer was lost')
          },
        }),
    })
    await relay.append(300)
    await relay.published()
    await relay.append(10)
    await relay.published()
    t.ok(failures > 2)
    t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order')
  })
})

t.test('a stranger writes to the stream, idle or before a batch: no row is missing', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    let intrude = async () => {}
    const relay = await publisher(stage, {
      wrap: (broker) =>
        patched(broker, {
          async publish(stream, messages, lastSeq) {
            await intrude()
            return broker.publish(stream, messages, lastSeq)
          },
        }),
    })
    await relay.append(30)
    await relay.published()
    intrude = async () => {
      intrude = async () => {}
      for (let i = 0; i < 4; i++) await raw.publish('orders.created.v1', '{}', `stranger-${i}`)
    }
    await relay.append(30)
    await relay.published()
    t.strictSame(await raw.messageIds('ORDERS'), expected(stage), 'each row once, in order, and nothing else')
  })
})

t.test(
  'a doubt while the stream is compared, or a batch under way: compared again before the next batch',
  async (t) => {
    await withStage(t, async (stage) => {
      const connected: ((is: boolean) => void)[] = []
      const calls: string[] = []
      let doubtIn = ''
      const called = (name: string) => {
        if (calls.at(-1) === 'the doubt') calls.push(`then ${name}`)
        if (doubtIn !== name) return
        doubtIn = ''
        calls.push('the doubt')
        for (const listener of connected) listener(true)
      }
      const relay = await publisher(stage, {
        wrap: (broker) =>
          patched(broker, {
            onConnection(listener) {
              connected.push(listener)
              return broker.onConnection(listener)
            },
            // Only a comparison says which incarnation is on record.
            async stream(...asked: Parameters<Broker['stream']>) {
              const state = await broker.stream(...asked)
              if (asked.length > 1) called('compare')
              return state
            },
            async publish(stream, messages, lastSeq) {
              await broker.publish(stream, messages, lastSeq)
              called('publish')
            },
          }),
      })
      const twice = async () => {
        for (let n = 0; n < 2; n += 1) {
          await relay.append(1)
          await relay.published()
        }
      }
      await twice()
      doubtIn = 'publish'
      await twice()
      doubtIn = 'compare'
      for (const listener of connected) listener(true)
      await twice()
      t.strictSame(calls, ['the doubt', 'then compare', 'the doubt', 'then compare'])
    })
  },
)
