/** What orders-service does: keys, lists, tags, journeys, and the sweeper. */
import type { AnyEvent } from '@checkout/contracts/events.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { AGE_STEP_MS, ageLag } from '@checkout/store/age.ts'
import { contents, execute } from '@checkout/testkit/database.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import t from 'tap'
import { settleOrder } from '../src/settle-order.ts'
import { sweepPending } from '../src/sweep-pending.ts'
import { ada, arrival, bob, ordersApp, outcomeOf } from './app.ts'

type Ordered = Awaited<ReturnType<typeof ordersApp>>
const hat = { amount: 149_900, description: 'Sun hat' }

const place = ({ app }: Ordered, headers: Record<string, string> = ada, payload: string | object = hat) =>
  app.inject({ method: 'POST', url: '/orders', headers: { 'content-type': 'application/json', ...headers }, payload })

/** The events in the outbox, oldest first. */
const emitted = async ({ store }: Ordered) =>
  (await store.read.outbox.take(0, 1_000)).map(({ event }) => JSON.parse(event) as AnyEvent)

t.test('1.0 and 1e2 are integers', async (t) => {
  const orders = await ordersApp(t)
  for (const [text, amount] of [
    ['1.0', 1],
    ['1e2', 100],
    ['1000000000000', 1_000_000_000_000],
  ] as const) {
    const answer = await place(orders, ada, `{"amount":${text},"description":"hat"}`)
    t.match(answer.json(), { amount, status: 'pending' }, text)
  }
})

t.test('a user with and without the header, once', async (t) => {
  const orders = await ordersApp(t)
  const register = (headers: Record<string, string>) =>
    orders.app.inject({ method: 'POST', url: '/users', headers, payload: { name: 'Ada', email: 'ada@example.com' } })
  t.match((await register(ada)).json(), { id: 'ada' })
  t.match((await register(ada)).json(), { status: 409, code: 'user_exists' })
  const [one, two] = [(await register({})).json(), (await register({})).json()]
  t.match(one.id, /^[0-9a-f-]{36}$/)
  t.not(one.id, two.id, 'each gets an id, though the address is the same')
  const me = await orders.app.inject({ url: '/users/me', headers: { 'x-user-id': one.id } })
  t.strictSame(me.json(), one)
  const registered = await emitted(orders)
  t.strictSame(
    registered.map(({ type, data, correlationid }) => [type, data.userId, correlationid]),
    ['ada', one.id, two.id].map((id) => ['users.registered.v1', id, id]),
  )
  await place(orders)
  await place(orders, bob)
  t.match((await emitted(orders)).slice(-2), [{ data: { userRegistered: true } }, { data: { userRegistered: false } }])
})

t.test('an idempotency key: one effect, one answer', async (t) => {
  const orders = await ordersApp(t)
  const key = { 'idempotency-key': 'k' }
  const first = await place(orders, { ...ada, ...key })
  t.equal(first.headers['idempotency-replayed'], undefined)
  // The same body in other words: order of fields, 149900.0.
  const again = await place(orders, { ...ada, ...key }, '{"description":"Sun hat","amount":149900.0}')
  t.strictSame([again.statusCode, again.body, again.headers.location], [201, first.body, first.headers.location])
  t.equal(again.headers['idempotency-replayed'], 'true')
  t.match((await place(orders, { ...ada, ...key }, { ...hat, amount: 1 })).json(), { status: 422 })
  const longest = { ...ada, 'idempotency-key': ` ~${'x'.repeat(253)}` }
  t.equal((await place(orders, longest)).json().id, (await place(orders, longest)).json().id, '255 characters')

  const refusedKey = { ...ada, 'idempotency-key': 'after a refusal' }
  t.equal((await place(orders, refusedKey, { ...hat, amount: 0 })).statusCode, 400)
  t.equal((await place(orders, refusedKey)).statusCode, 201, 'a refusal leaves no key')
  t.not((await place(orders, { ...bob, ...key })).json().id, first.json().id, 'another user’s key is another')

  const race = await Promise.all(Array.from({ length: 50 }, () => place(orders, { ...ada, 'idempotency-key': 'race' })))
  t.equal(new Set(race.map((answer) => `${answer.statusCode} ${answer.body} ${answer.headers.location}`)).size, 1)
  t.equal(race.filter((answer) => answer.headers['idempotency-replayed'] === undefined).length, 1, 'one was the first')
  const mine = (await orders.app.inject({ url: '/orders?limit=100', headers: ada })).json()
  t.equal(mine.items.length, 4, 'k, the longest, after a refusal, race')
  t.equal((await emitted(orders)).length, 5, 'one event per order')
})

t.test('lists are newest first, and steady while orders come in', async (t) => {
  const orders = await ordersApp(t)
  const list = async (query: string) => (await orders.app.inject({ url: `/orders?${query}`, headers: ada })).json()
  const ids: string[] = []
  for (let i = 0; i < 45; i++) ids.unshift((await place(orders)).json().id)
  await place(orders, bob)
  t.equal((await list('')).items.length, 20, 'the default limit')
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: { id: string }[]; next: string | null } = await list(`limit=9${cursor && `&cursor=${cursor}`}`)
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.next
    await place(orders) // in front of the list: later pages must neither repeat nor skip
  }
  t.strictSame(seen, ids)
  t.equal((await list('limit=50')).next, null, 'a page that is exactly full of the rest has no next')

  const [paid, failed] = ids as [string, string]
  await orders.store.write((tx) => settleOrder(tx, outcomeOf(paid), arrival()))
  await orders.store.write((tx) => settleOrder(tx, outcomeOf(failed, 'account_not_found'), arrival()))
  t.match(await list('status=paid'), { items: [{ id: paid, status: 'paid', failureReason: null }], next: null })
  t.match(await list('status=failed'), { items: [{ id: failed, failureReason: 'account_not_found' }] })
  const pending = await list('status=pending&limit=100')
  t.notOk(pending.items.some(({ id }: { id: string }) => id === paid || id === failed))
  t.equal(pending.items.length, 48)
})

t.test('ETag and If-None-Match', async (t) => {
  const orders = await ordersApp(t)
  const { id } = (await place(orders)).json()
  const ask = (match?: string) =>
    orders.app.inject({
      url: `/orders/${id}`,
      headers: { ...ada, ...(match !== undefined && { 'if-none-match': match }) },
    })
  const etag = String((await ask()).headers.etag)
  t.match(etag, /^"[^"]+"$/)
  for (const match of [etag, `W/${etag}`, `"other", ${etag}`, `"other",W/${etag}`, '*']) {
    const answer = await ask(match)
    t.strictSame([answer.statusCode, answer.body, answer.headers.etag], [304, '', etag], match)
  }
  for (const match of ['"other"', etag.slice(1, -1), 'W/"other"', ''])
    t.equal((await ask(match)).statusCode, 200, match)
  await orders.store.write((tx) => settleOrder(tx, outcomeOf(id), arrival(Date.now() + 1)))
  const changed = await ask(etag)
  t.equal(changed.statusCode, 200, 'the order changed')
  t.match(changed.json(), { status: 'paid' })
  t.not(changed.headers.etag, etag)
})

t.test('an outcome that says something else is refused, and nothing changes', async (t) => {
  const change = (event: ReturnType<typeof outcomeOf>, data: object) =>
    ({ ...event, data: { ...event.data, ...data } }) as typeof event
  const orders = await ordersApp(t)
  const { store } = orders
  const settle = (event: ReturnType<typeof outcomeOf>) => store.write((tx) => settleOrder(tx, event, arrival()))
  const placed = async () => (await place(orders)).json().id as string
  const refused = async (event: ReturnType<typeof outcomeOf>, both: RegExp) => {
    const before = contents(orders.file)
    await t.rejects(settle(event), both)
    t.strictSame(contents(orders.file), before)
  }

  const [paid, failed, pending] = [await placed(), await placed(), await placed()]
  await settle(outcomeOf(paid))
  await settle(outcomeOf(failed, 'insufficient_funds'))
  await refused(
    outcomeOf(paid, 'insufficient_funds'),
    /is paid, user ada.* says failed \(insufficient_funds\), user ada/,
  )
  await refused(outcomeOf(failed), /is failed \(insufficient_funds\), user ada.* says paid, user ada/)
  await refused(outcomeOf(failed, 'account_not_found'), /\(insufficient_funds\).*\(account_not_found\)/)
  await refused(change(outcomeOf(paid), { amount: 1 }), /amount 149900.*amount 1$/)
  await refused(change(outcomeOf(pending), { amount: 1 }), /amount 149900;.*amount 1$/)
  await refused(change(outcomeOf(pending), { userId: 'bob' }), /user ada.*user bob/)
  await settle(outcomeOf(pending))
})

t.test('an order is settled once, and only the change emits', async (t) => {
  const orders = await ordersApp(t)
  const { store } = orders
  const { id } = (await place(orders)).json()
  const outcome = outcomeOf(id)
  await store.write((tx) => settleOrder(tx, outcome, arrival()))
  const settled = await emitted(orders)
  t.match(settled, [
    { type: 'orders.created.v1', correlationid: id },
    {
      type: 'orders.paid.v1',
      correlationid: id,
      causationid: outcome.id,
      data: { orderId: id, userId: 'ada', ...hat, currency: 'RUB' },
    },
  ])
  await store.write((tx) => settleOrder(tx, outcome, arrival()))
  await store.write((tx) => settleOrder(tx, outcomeOf(id), arrival()))
  t.strictSame(await emitted(orders), settled, 'again, and under another id: nothing')
  t.match((await orders.app.inject({ url: `/orders/${id}`, headers: ada })).json(), { status: 'paid' })
  const unknown = outcomeOf('01a2028a-9118-716f-8e04-53fe90a23b34')
  await t.rejects(
    store.write((tx) => settleOrder(tx, unknown, arrival())),
    /no order/,
  )
  await t.rejects(
    store.write((tx) => settleOrder(tx, unknown, arrival())),
    /no order/,
    'and it was not claimed',
  )
})

t.test('the journey, also when the outbox has forgotten it', async (t) => {
  const orders = await ordersApp(t)
  const { id } = (await place(orders)).json()
  const steps = async () => {
    const journey = (await orders.app.inject({ url: `/journeys/orders/${id}`, headers: ada })).json()
    return journey.steps.map(({ step }: { step: string }) => step).sort()
  }
  t.strictSame(await steps(), ['outbox', 'placed'])
  const outcome = outcomeOf(id)
  await orders.store.write((tx) => settleOrder(tx, outcome, arrival()))
  t.strictSame(await steps(), ['inbox', 'outbox', 'outbox', 'paid', 'placed'])
  const row = await orders.store.read.outbox.take(0, 10)
  await orders.store.write(async (tx) => {
    await tx.outbox.restart('i')
    await tx.outbox.published(
      { firstId: 1, lastId: 2, lastEventId: row[1]?.eventId ?? '', firstSeq: 11, lastSeq: 12 },
      0,
    )
  })
  const journey = (await orders.app.inject({ url: `/journeys/orders/${id}`, headers: ada })).json()
  t.match(
    journey.steps
      .filter(({ step }: { step: string }) => step === 'published')
      .map((s: { streamSeq: number }) => s.streamSeq),
    [11, 12],
  )
  execute(orders.file, 'DELETE FROM outbox; DELETE FROM publications; DELETE FROM inbox')
  t.strictSame(await steps(), ['inbox', 'paid', 'placed'])
  const after = (await orders.app.inject({ url: `/journeys/orders/${id}`, headers: ada })).json()
  t.match(after.steps, [{ step: 'placed' }, { step: 'inbox', eventId: outcome.id, streamSeq: 7, deliveries: 1 }, {}])
})

t.test('status and health tell how the service is', async (t) => {
  const platform = createTestPlatform()
  const orders = await ordersApp(t, { platform })
  const get = async (url: string) => (await orders.app.inject(url)).json()
  const healthy = {
    service: 'orders-service',
    version: '1.2.3',
    instance: 2,
    store: 'ok',
    nats: 'ok',
    natsProblem: null,
    deadLetters: 0,
  }
  t.strictSame(await get('/status/orders'), { ...healthy, outboxBacklog: 0, oldestUnpublishedMs: 0 })
  await place(orders)
  platform.advance(1_500)
  await place(orders)
  orders.broker.connected = false
  const waiting = { outboxBacklog: 2, oldestUnpublishedMs: 1_500 }
  t.strictSame(await get('/status/orders'), {
    ...healthy,
    nats: 'degraded',
    natsProblem: 'not connected to the broker',
    ...waiting,
  })
  t.strictSame(await get('/health/live'), { status: 'ok' })
  const ready = await orders.app.inject('/health/ready')
  t.strictSame([ready.statusCode, ready.json()], [200, { status: 'degraded', store: 'ok', nats: 'degraded' }])
})

t.test('the sweeper asks again, at growing intervals, while the order is pending', async (t) => {
  const platform = createTestPlatform()
  const orders = await ordersApp(t, { platform })
  const { store } = orders
  const { id } = (await place(orders)).json()
  const placedAt = platform.now()
  // The file's age, as the holder of the lease counts it.
  let age = 0
  const sweep = () => store.write((tx) => sweepPending(tx, age))
  const [original] = await emitted(orders)
  t.equal(await sweep(), 0, 'not at once')
  age = ageLag(AGE_STEP_MS.schedule) // the order got the age in the file, which may be behind by this
  const asked: number[] = []
  const steps = [26, -26, -26, 26, 1, -1, -1, 1]
  for (let seconds = 1; seconds <= 4 * 3_600; seconds++) {
    age += 1_000
    platform.advance(1_000)
    if (seconds % 1_111 === 0) platform.step((steps.shift() ?? 0) * 3_600_000)
    if (((await store.read.orders.nextSweepAt()) ?? Infinity) > age) continue
    const swept = await sweep()
    if (swept !== 1) t.fail(`${swept} orders swept`)
    asked.push(seconds)
  }
  const pauses = asked.map((at, i) => at - (asked[i - 1] ?? 0))
  t.strictSame(
    pauses,
    [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600],
    'seconds between them: doubling, up to an hour, wherever the wall clock is set',
  )
  const questions = (await emitted(orders)).slice(1)
  t.equal(questions.length, pauses.length)
  for (const question of questions) {
    t.strictSame([question.id, question.type, question.data], [original?.id, original?.type, original?.data])
  }
  t.equal(questions[0]?.time, rfc3339(placedAt + 30_000), 'at its own time')
  await store.write((tx) => settleOrder(tx, outcomeOf(id), arrival(platform.now())))
  age += 24 * 3_600_000
  t.equal(await sweep(), 0, 'a settled order is left alone')
  t.equal(await store.read.orders.nextSweepAt(), undefined)
})

t.test('a sweep takes at most a hundred, longest waiting first', async (t) => {
  const orders = await ordersApp(t)
  await Promise.all(Array.from({ length: 130 }, () => place(orders)))
  const placed = (await emitted(orders)).map(({ id }) => id)
  const age = 30_000 + ageLag(AGE_STEP_MS.schedule)
  const sweep = () => orders.store.write((tx) => sweepPending(tx, age))
  t.strictSame([await sweep(), await sweep(), await sweep()], [100, 30, 0])
  t.strictSame(new Set((await emitted(orders)).slice(130).map(({ id }) => id)), new Set(placed), 'each once')
})
