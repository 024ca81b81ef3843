import t, { type Test } from 'tap'
import { ageMigrations, ageWrites } from '../src/age.ts'
import { IDEMPOTENCY_RETENTION_MS, idempotencyMigrations, idempotencyWrites } from '../src/idempotency.ts'
import type { Answer, IdempotentRequest } from '../src/port.ts'
import { Problem } from '../src/problem.ts'
import { openStore } from '../src/store.ts'
import { manualClock } from './support/clocks.ts'
import { noteMigrations, noteReads, noteWrites, tempFile } from './support/notes-store.ts'
import { rejection } from './support/unit.ts'

const HOUR_MS = 60 * 60 * 1000
const request: IdempotentRequest = {
  userId: 'ada',
  route: 'POST /orders',
  key: 'k1',
  body: { amount: 5, description: 'tea' },
}

function openKeys(t: Test, file = tempFile(t)) {
  const clock = manualClock(1_700_000_000_000)
  const store = openStore({
    file,
    migrations: [...noteMigrations, ...ageMigrations, ...idempotencyMigrations],
    writes: (writer) => ({ ...noteWrites(writer), ages: ageWrites(writer), keys: idempotencyWrites(writer, clock) }),
    reads: (reader) => ({
      ...noteReads(reader),
      keys: () => reader.prepare('SELECT user_id, route, key FROM idempotency_keys').raw().all(),
    }),
    clock,
  })
  t.teardown(() => store.close())
  /** Places the n-th order: its effect is a step of the counter, which the answer tells. */
  const place = (changed: Partial<IdempotentRequest> = {}) =>
    store.write((tx) =>
      tx.keys.once({ ...request, ...changed }, async () => {
        const order = await tx.increment()
        return { status: 201, body: { order, note: 'ü' }, location: `/orders/${order}` }
      }),
    )
  return { clock, store, place }
}
const first: Answer = { status: 201, body: { order: 1, note: 'ü' }, location: '/orders/1' }
const replay: Answer = { ...first, replayed: true }

t.test('the same key and body get the first answer again, and nothing happens twice', async (t) => {
  const file = tempFile(t)
  const { store, place } = openKeys(t, file)
  t.strictSame(await place(), first)
  t.strictSame(await place(), replay)
  t.strictSame(await place({ body: { description: 'tea', amount: 5 } }), replay, 'whatever the order of the fields')
  t.equal(store.read.counter(), 1)
  await store.close()
  const reopened = openKeys(t, file)
  t.strictSame(await reopened.place(), replay, 'also after a restart')
  t.equal(reopened.store.read.counter(), 1)
})

t.test('an answer without Location is replayed without one', async (t) => {
  const { store } = openKeys(t)
  const deposit = () =>
    store.write((tx) => tx.keys.once(request, async () => ({ status: 201, body: { n: await tx.increment() } })))
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
  t.equal(store.read.counter(), 1)
})

t.test('without a key every request has its effect', async (t) => {
  const { store, place } = openKeys(t)
  for (const order of [1, 2]) t.match(await place({ key: undefined }), { body: { order } })
  t.strictSame(store.read.keys(), [])
})

t.test('keys are scoped per user and per route', async (t) => {
  const { store, place } = openKeys(t)
  await place()
  for (const changed of [{ userId: 'bob' }, { route: 'POST /accounts/me/deposits' }, { key: 'K1' }, { key: 'k1 ' }]) {
    const answer = await place({ ...changed, body: { amount: 9 } })
    t.equal(answer.replayed, undefined, JSON.stringify(changed))
  }
  t.equal(store.read.counter(), 5)
  t.strictSame(await place(), replay)
})

t.test('a refusal leaves no key: the next request with it is a first one', async (t) => {
  const { store, place } = openKeys(t)
  const refusal = new Problem('insufficient_funds')
  const refused = store.write((tx) =>
    tx.keys.once(request, async () => {
      await tx.increment()
      throw refusal
    }),
  )
  t.equal(await rejection(refused), refusal)
  t.strictSame(store.read.keys(), [])
  t.equal(store.read.counter(), 0)
  t.strictSame(await place({ body: { amount: 1 } }), first, 'with another body too')
})

t.test('the key and the effect are stored together or not at all', async (t) => {
  const { store, place } = openKeys(t)
  const broken = store.write(async (tx) => {
    await tx.keys.once(request, async () => ({ status: 201, body: { order: await tx.increment() } }))
    throw new Error('after the answer was stored')
  })
  await rejection(broken)
  t.strictSame(store.read.keys(), [])
  t.strictSame(await place(), first)
  t.strictSame(store.read.keys(), [['ada', 'POST /orders', 'k1']])
})

t.test('of racing requests one has the effect, the others get its answer', async (t) => {
  const file = tempFile(t)
  const [one, two] = [openKeys(t, file), openKeys(t, file)]
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
  t.equal(one.store.read.counter(), 1)
})

t.test('an answer is purged by the age of the file, wherever the wall clock is set', async (t) => {
  const { clock, store, place } = openKeys(t)
  const purge = () => store.write((tx) => tx.keys.purge(IDEMPOTENCY_RETENTION_MS, 100))
  const age = (ms: number) => store.write((tx) => tx.ages.add('retention', ms))
  await place()
  await age(HOUR_MS)
  await place({ key: 'k2' })
  for (const hours of [26, -52, 26, 1, -2, 1]) {
    clock.advance(hours * HOUR_MS)
    t.equal(await purge(), 0, `the wall clock is set by ${hours} h`)
  }
  await age(23 * HOUR_MS)
  t.equal(await purge(), 0)
  t.strictSame(await place(), replay, 'after 24 h')
  await age(IDEMPOTENCY_RETENTION_MS - 24 * HOUR_MS - 1)
  t.equal(await purge(), 0, 'just before 25 h')
  await age(1)
  t.equal(await purge(), 1, 'after 25 h')
  t.strictSame(store.read.keys(), [['ada', 'POST /orders', 'k2']])
  t.match(await place({ body: { amount: 1 } }), { status: 201, body: { order: 3 } }, 'the key is free')
})
