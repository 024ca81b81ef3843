/**
 * What a store must do whatever its engine, over the port only: `engineSuite(engine)` in a test file of its own. That of the
 * messaging's tables is in packages/messaging/test/engine-suite.ts.
 */
import { readFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { createTestPlatform, settled } from '@checkout/testkit/platform.ts'
import t, { type Test } from 'tap'
import { IDEMPOTENCY_RETENTION_MS } from '../src/idempotency.ts'
import { LeaseLost } from '../src/lease.ts'
import type { AgeWrites, Answer, IdempotencyWrites, IdempotentRequest, LeaseWrites, Store } from '../src/port.ts'
import { ForeignAwait, MAX_BATCH, MAX_WAIT_MS, StoreUnavailable } from '../src/unit-of-work.ts'
import { rejection } from './support/unit.ts'

export interface EngineTx {
  /** Adds a note; ids and parts together are unique. */
  add(id: string, part?: string): Promise<void>
  /** Reads a counter, then writes what it has read plus one; returns that. */
  increment(): Promise<number>
  readonly lease: LeaseWrites
  readonly ages: AgeWrites
  readonly idempotency: IdempotencyWrites
}

export interface EngineReads {
  /** The ids of all notes, in the order of their insertion. */
  ids(): Promise<string[]>
  counter(): Promise<number>
  /** User, route and key of all stored answers. */
  keys(): Promise<unknown[]>
}

export interface Engine {
  /** An instance on an empty store, or on the one `at` that another has opened; closed when the test has ended. */
  open(
    t: Test,
    options?: { at?: string | undefined; platform?: Platform; holder?: string },
  ): Store<EngineTx, EngineReads> & { readonly at: string }
  /** Keeps all instances on the store from writing, until the answer is called. */
  lock(t: Test, at: string): Promise<() => unknown>
  /** Of the error of a second row with the same key. */
  readonly uniqueViolation: string
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)
const HOUR_MS = 60 * 60 * 1000

const request: IdempotentRequest = {
  userId: 'ada',
  route: 'POST /orders',
  key: 'k1',
  body: { amount: 5, description: 'tea' },
}

const first: Answer = { status: 201, body: { order: 1, note: 'ü' }, location: '/orders/1' }
const replay: Answer = { ...first, replayed: true }

const foreign: Record<string, () => Promise<unknown>> = {
  'an immediate': () => turn(),
  'a timer': () => new Promise((resolve) => setTimeout(resolve, 5)),
  'a file': () => readFile(new URL(import.meta.url)),
  'the next tick': () => new Promise<void>((resolve) => process.nextTick(resolve)),
  // Runs before any immediate when the event loop goes round: that must not hide it.
  'a timer that is due at once': () => {
    const due = new Promise((resolve) => setTimeout(resolve, 0))
    for (const end = performance.now() + 5; performance.now() < end; );
    return due
  },
}

export function engineSuite({ open, lock, uniqueViolation }: Engine): void {
  t.test('a write that has time shares the COMMIT of a later one, and goes before it', async (t) => {
    const store = open(t, { platform: createTestPlatform() })
    await store.write((tx) => tx.add('first'))
    const { commits } = store.stats()
    const patient = store.write((tx) => tx.add('patient'), { patienceMs: 10 })
    await settled()
    t.strictSame(await store.read.ids(), ['first'])
    t.equal(store.stats().waiting, 1)
    await store.write((tx) => tx.add('later'))
    await patient
    t.strictSame(await store.read.ids(), ['first', 'patient', 'later'])
    t.equal(store.stats().commits, commits + 1)
  })

  t.test('of two that have time the one that has less decides when both are written', async (t) => {
    const platform = createTestPlatform()
    const store = open(t, { platform })
    const { commits } = store.stats()
    const patient = store.write((tx) => tx.add('patient'), { patienceMs: 60_000 })
    const hasty = store.write((tx) => tx.add('hasty'), { patienceMs: 10 })
    platform.advance(10)
    await Promise.all([patient, hasty])
    t.strictSame(await store.read.ids(), ['patient', 'hasty'])
    t.equal(store.stats().commits, commits + 1)
  })

  t.test('alone it is written when its time is over, or when the store closes', async (t) => {
    const platform = createTestPlatform()
    const store = open(t, { platform })
    const patient = store.write((tx) => tx.add('patient'), { patienceMs: 10 })
    platform.advance(9)
    await settled()
    t.strictSame(await store.read.ids(), [])
    platform.advance(1)
    await patient
    const last = store.write((tx) => tx.add('last'), { patienceMs: 60_000 })
    await settled()
    await store.close()
    await last
    t.strictSame(await open(t, { at: store.at }).read.ids(), ['patient', 'last'])
  })

  t.test('writes that wait together share a COMMIT, at most 256 of them, in the order they came', async (t) => {
    const store = open(t)
    const { write, read } = store
    const ids = numbered(2 * MAX_BATCH + 88)
    const commits: number[] = []
    const results = await Promise.all(
      ids.map((id) =>
        write(async (tx) => {
          await tx.add(id)
          return `result of ${id}`
        }).then((result) => {
          commits.push(store.stats().commits)
          return result
        }),
      ),
    )
    t.strictSame(
      results,
      ids.map((id) => `result of ${id}`),
    )
    const sizes = [1, 2, 3].map((commit) => commits.filter((n) => n === commit).length)
    t.strictSame(sizes, [256, 256, 88], 'told after their COMMIT')
    t.strictSame(await read.ids(), ids)
    t.strictSame(store.stats(), { commits: 3, writes: ids.length, waiting: 0 })
  })

  t.test('an idle unit of work commits a single write at once', async (t) => {
    const store = open(t, { platform: createTestPlatform() })
    const { write, read } = store
    await write((tx) => tx.add('alone'))
    t.strictSame(await read.ids(), ['alone'], 'while the time stands still')
    t.strictSame(store.stats(), { commits: 1, writes: 1, waiting: 0 })
  })

  t.test("a rejected member's rows are gone, its neighbours' stay", async (t) => {
    const store = open(t)
    const { write, read } = store
    const refusals = new Map([
      ['n0', new Error('the first, thrown')],
      ['n3', new Error('in the middle, rejected later')],
      ['n4', new Error('right after another one')],
      ['n7', new Error('the last')],
    ])
    const settledWrites = await Promise.allSettled(
      numbered(8).map((id, i) =>
        write(async (tx) => {
          await tx.add(id, 'a')
          const refusal = refusals.get(id)
          if (i % 2 === 0 && refusal) throw refusal
          return Promise.resolve().then(async () => {
            await tx.add(id, 'b')
            if (refusal) throw refusal
          })
        }),
      ),
    )
    const expected = numbered(8).map((id) => refusals.get(id))
    t.strictSame(
      settledWrites.map((s) => s.status),
      expected.map((refusal) => (refusal ? 'rejected' : 'fulfilled')),
    )
    for (const [i, outcome] of settledWrites.entries()) {
      if (outcome.status === 'rejected') t.equal(outcome.reason, expected[i], 'the very error that was thrown')
    }
    t.strictSame(await read.ids(), ['n1', 'n1', 'n2', 'n2', 'n5', 'n5', 'n6', 'n6'])
    t.equal(store.stats().commits, 1)
  })

  t.test('a constraint that a member breaks is its own rejection, and what it wrote before is gone', async (t) => {
    const { write, read } = open(t)
    const first = write((tx) => tx.add('n1'))
    const twice = write(async (tx) => {
      await tx.add('n2')
      await tx.add('n1')
    })
    const last = write((tx) => tx.add('n3'))
    t.match(await rejection(twice), { code: uniqueViolation })
    await Promise.all([first, last])
    t.strictSame(await read.ids(), ['n1', 'n3'])
  })

  t.test('results and rejections are delivered after COMMIT, not before', async (t) => {
    const store = open(t)
    const { write, read } = store
    const refused = new Error('refused')
    const seen: { id: string; ids: Promise<string[]>; commits: number }[] = []
    const look = (id: string) => () => {
      seen.push({ id, ids: read.ids(), commits: store.stats().commits })
    }
    await Promise.all(
      numbered(6).map((id, i) =>
        write(async (tx) => {
          await tx.add(id)
          await undefined // whoever was told too early gets a chance to look
          if (i % 2 === 0) throw refused
        }).then(look(id), look(id)),
      ),
    )
    const committed = { ids: ['n1', 'n3', 'n5'], commits: 1 }
    t.strictSame(
      await Promise.all(seen.map(async ({ ids, ...rest }) => ({ ...rest, ids: await ids }))),
      numbered(6).map((id) => ({ id, ...committed })),
    )
  })

  t.test('members run strictly one after another', async (t) => {
    const { write } = open(t)
    const log: string[] = []
    await Promise.all(
      numbered(4).map((id, i) =>
        write(async (tx) => {
          log.push(`${id} begins`)
          for (let awaits = 0; awaits < 5 - i; awaits += 1) await tx.increment()
          log.push(`${id} ends`)
        }),
      ),
    )
    t.strictSame(
      log,
      numbered(4).flatMap((id) => [`${id} begins`, `${id} ends`]),
    )
  })

  for (const [what, wait] of Object.entries(foreign)) {
    t.test(`a callback that awaits ${what} is rolled back, and its neighbours are not touched`, async (t) => {
      const store = open(t)
      const { write, read } = store
      const log: string[] = []
      const before = write((tx) => tx.add('before'))
      const awaiting = write(async (tx) => {
        log.push('awaiting begins')
        await tx.add('awaiting', 'a')
        await wait()
        await tx.add('awaiting', 'b')
        log.push('awaiting ends')
      })
      const throwing = write(async () => {
        log.push('throwing begins')
        await wait()
        log.push('throwing ends')
        throw new Error('its own, which hides the mistake')
      })
      const after = write(async (tx) => {
        log.push('after')
        await tx.add('after')
      })
      const errors = await Promise.all(
        [awaiting, throwing].map((p) =>
          p.then(
            () => undefined,
            (e) => e,
          ),
        ),
      )
      t.ok(errors[0] instanceof ForeignAwait, `ForeignAwait, not ${errors[0]}`)
      t.ok(errors[1] instanceof ForeignAwait, `ForeignAwait, not ${errors[1]}`)
      await Promise.all([before, after])
      t.strictSame(log, ['awaiting begins', 'awaiting ends', 'throwing begins', 'throwing ends', 'after'])
      t.strictSame(await read.ids(), ['before', 'after'])
      t.equal(store.stats().commits, 1)
    })
  }

  t.test('who reads meanwhile sees a transaction wholly or not at all', async (t) => {
    const { write, read } = open(t)
    let done = false
    const writing = (async () => {
      for (const id of numbered(100)) {
        await write(async (tx) => {
          await tx.add(id, 'a')
          await tx.add(id, 'b')
        })
      }
      done = true
    })()
    while (!done) {
      const { length } = await read.ids()
      if (length % 2 === 1) t.fail(`${length} notes of pairs`)
      await turn()
    }
    await writing
    t.equal((await read.ids()).length, 200)
  })

  t.test('instances write one after another, each on what the other has left', async (t) => {
    const one = open(t)
    const two = open(t, { at: one.at })
    await Promise.all(numbered(100).map((_, i) => (i % 2 ? one : two).write((tx) => tx.increment())))
    t.equal(await one.read.counter(), 100)
    t.equal(await two.read.counter(), 100)
  })

  t.test('a store that takes no writes refuses them in time, and certainly does not store them', async (t) => {
    const platform = createTestPlatform({ asleep: 'spins' })
    const { at, write, read, stats, opened } = open(t, { platform })
    await opened()
    const unlock = await lock(t, at)
    const refused = numbered(2).map((id) => rejection(write((tx) => tx.add(id))))
    await settled()
    platform.advance(MAX_WAIT_MS)
    for (const error of await Promise.all(refused)) t.ok(error instanceof StoreUnavailable)
    t.strictSame(await read.ids(), [], 'reads go on')
    await unlock()
    t.equal(stats().waiting, 0)
    await write((tx) => tx.add('later'))
    t.strictSame(await read.ids(), ['later'])
  })

  t.test('whoever has lost the lease records nothing', async (t) => {
    const one = open(t, { holder: 'one' })
    const two = open(t, { at: one.at, holder: 'two' })
    const record = (store: typeof one, id: string) =>
      store.write(async (tx) => {
        await tx.add(id)
        await tx.lease.assertHeld()
      })
    t.ok((await rejection(record(one, 'early'))) instanceof LeaseLost, 'held by nobody yet')
    t.equal(await one.write((tx) => tx.lease.take(0)), true)
    await record(one, 'one')
    t.equal(await two.write((tx) => tx.lease.take(0)), false, 'it has changed hands since')
    t.equal(await two.write((tx) => tx.lease.take(1)), true)
    t.ok((await rejection(record(one, 'late'))) instanceof LeaseLost)
    t.equal(await one.write((tx) => tx.lease.renew()), false)
    await record(two, 'two')
    t.strictSame(await two.read.ids(), ['one', 'two'])
  })

  function openKeys(t: Test, at?: string) {
    const platform = createTestPlatform({ startMs: 1_700_000_000_000, asleep: 'spins' })
    const store = open(t, { at, platform })
    /** Places the n-th order: its effect is a step of the counter, which the answer tells. */
    const place = (changed: Partial<IdempotentRequest> = {}) =>
      store.write((tx) =>
        tx.idempotency.once({ ...request, ...changed }, async () => {
          const order = await tx.increment()
          return { status: 201, body: { order, note: 'ü' }, location: `/orders/${order}` }
        }),
      )
    return { platform, store, place }
  }

  t.test('the same key and body get the first answer again, and nothing happens twice', async (t) => {
    const { store, place } = openKeys(t)
    t.strictSame(await place(), first)
    t.strictSame(await place(), replay)
    t.strictSame(await place({ body: { description: 'tea', amount: 5 } }), replay, 'whatever the order of the fields')
    t.equal(await store.read.counter(), 1)
    await store.close()
    const reopened = openKeys(t, store.at)
    t.strictSame(await reopened.place(), replay, 'also after a restart')
    t.equal(await reopened.store.read.counter(), 1)
  })

  t.test('an answer without Location is replayed without one', async (t) => {
    const { store } = openKeys(t)
    const deposit = () =>
      store.write((tx) =>
        tx.idempotency.once(request, async () => ({ status: 201, body: { n: await tx.increment() } })),
      )
    t.strictSame(await deposit(), { status: 201, body: { n: 1 } })
    t.strictSame(await deposit(), { status: 201, body: { n: 1 }, replayed: true })
  })

  t.test('the same key with another body is refused, without effect, and the first answer stays', async (t) => {
    const { store, place } = openKeys(t)
    await place()
    const others = [
      { amount: 6, description: 'tea' },
      { amount: 5, description: 'Tea' },
      { amount: 5 },
      { amount: 5, description: 'tea', more: true },
      { amount: '5', description: 'tea' },
    ]
    for (const body of others) {
      const error = await rejection(place({ body }))
      t.ok(error instanceof Problem)
      t.match(error, { code: 'idempotency_key_reused', status: 422 })
    }
    t.strictSame(await place(), replay)
    t.equal(await store.read.counter(), 1)
  })

  t.test('without a key every request has its effect', async (t) => {
    const { store, place } = openKeys(t)
    for (const order of [1, 2]) t.match(await place({ key: undefined }), { body: { order } })
    t.strictSame(await store.read.keys(), [])
  })

  t.test('keys are scoped per user and per route', async (t) => {
    const { store, place } = openKeys(t)
    await place()
    for (const changed of [{ userId: 'bob' }, { route: 'POST /accounts/me/deposits' }, { key: 'K1' }, { key: 'k1 ' }]) {
      const answer = await place({ ...changed, body: { amount: 9 } })
      t.equal(answer.replayed, undefined, JSON.stringify(changed))
    }
    t.equal(await store.read.counter(), 5)
    t.strictSame(await place(), replay)
  })

  t.test('a refusal leaves no key: the next request with it is a first one', async (t) => {
    const { store, place } = openKeys(t)
    const refusal = new Problem('insufficient_funds')
    const refused = store.write((tx) =>
      tx.idempotency.once(request, async () => {
        await tx.increment()
        throw refusal
      }),
    )
    t.equal(await rejection(refused), refusal)
    t.strictSame(await store.read.keys(), [])
    t.equal(await store.read.counter(), 0)
    t.strictSame(await place({ body: { amount: 1 } }), first, 'with another body too')
  })

  t.test('the key and the effect are stored together or not at all', async (t) => {
    const { store, place } = openKeys(t)
    const broken = store.write(async (tx) => {
      await tx.idempotency.once(request, async () => ({ status: 201, body: { order: await tx.increment() } }))
      throw new Error('after the answer was stored')
    })
    await rejection(broken)
    t.strictSame(await store.read.keys(), [])
    t.strictSame(await place(), first)
    t.strictSame(await store.read.keys(), [['ada', 'POST /orders', 'k1']])
  })

  t.test('of racing requests one has the effect, the others get its answer', async (t) => {
    const one = openKeys(t)
    const two = openKeys(t, one.store.at)
    const racing = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).place())
    const other = one.place({ body: { amount: 6 } })
    t.match(await rejection(other), { code: 'idempotency_key_reused' })
    const answers = await Promise.all(racing)
    t.strictSame(
      answers.filter((answer) => !answer.replayed),
      [first],
    )
    t.equal(answers.filter((answer) => answer.replayed).length, 19)
    for (const answer of answers) t.strictSame(answer.body, first.body)
    t.equal(await one.store.read.counter(), 1)
  })

  t.test('an answer is purged by the age of the file, wherever the wall clock is set', async (t) => {
    const { platform, store, place } = openKeys(t)
    const purge = () => store.write((tx) => tx.idempotency.purge(IDEMPOTENCY_RETENTION_MS, 100))
    const age = (ms: number) => store.write((tx) => tx.ages.add('retention', ms))
    await place()
    await age(HOUR_MS)
    await place({ key: 'k2' })
    for (const hours of [26, -52, 26, 1, -2, 1]) {
      platform.advance(hours * HOUR_MS)
      t.equal(await purge(), 0, `the wall clock is set by ${hours} h`)
    }
    await age(23 * HOUR_MS)
    t.equal(await purge(), 0)
    t.strictSame(await place(), replay, 'after 24 h')
    await age(IDEMPOTENCY_RETENTION_MS - 24 * HOUR_MS - 1)
    t.equal(await purge(), 0, 'just before 25 h')
    await age(1)
    t.equal(await purge(), 1, 'after 25 h')
    t.strictSame(await store.read.keys(), [['ada', 'POST /orders', 'k2']])
    t.match(await place({ body: { amount: 1 } }), { status: 201, body: { order: 3 } }, 'the key is free')
  })
}
