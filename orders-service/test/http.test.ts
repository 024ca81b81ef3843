/** Every documented answer of orders-service, and every refusal, with proof that it changed nothing. */
import type { AddressInfo } from 'node:net'
import { badBodies, badIdempotencyKeys, badUserIds, jsonOf, unreadableBodies } from '@checkout/testkit/bad-requests.ts'
import { lock, spoil } from '@checkout/testkit/database.ts'
import { type Call, readContract } from '@checkout/testkit/http-contract.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import {
  refused,
  refusesBodies,
  refusesDoubledKeys,
  refusesPages,
  refusesStrangers,
  unavailable,
  unclear,
} from '@checkout/testkit/refusals.ts'
import t from 'tap'
import { settleOrder } from '../src/settle-order.ts'
import { ada, arrival, bob, ordersApp, outcomeOf } from './app.ts'

// Time moves by sleeping: the five seconds that a write waits for a locked file pass at once.
const { app, store, file } = await ordersApp(t, { platform: createTestPlatform() })
const contract = await readContract(app)
const subject = { contract, file }
const newOrder = { amount: '149900', description: '"Sun hat"' }
const newUser = { name: '"Ada Lovelace"', email: '"ada@example.com"' }
const json = { ...ada, 'content-type': 'application/json' }
const get = (url: string, headers: Record<string, string> = ada) => contract.call({ method: 'GET', url, headers })
const post = (url: string, payload: string, headers: Record<string, string> = json) =>
  contract.call({ method: 'POST', url, headers, payload })

/**
 * Documented answers that no request can get here, each with its reason. One that turns out reachable fails the test
 * too. Empty: all are.
 */
const unreachable: Record<string, string> = {}

t.test('good requests', async (t) => {
  t.match(await get('/users/me'), { status: 404, body: { code: 'user_not_found' } })
  t.match(await post('/users', jsonOf(newUser)), {
    status: 201,
    headers: { location: '/users/me' },
    body: { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' },
  })
  t.match(await post('/users', jsonOf(newUser)), { status: 409, body: { code: 'user_exists' } })
  t.match(await get('/users/me'), { status: 200, body: { id: 'ada' } })

  const placed = await post('/orders', jsonOf(newOrder), { ...json, 'idempotency-key': 'k1' })
  const id = String(placed.body?.id)
  t.match(placed, {
    status: 201,
    headers: { location: `/orders/${id}` },
    body: { userId: 'ada', amount: 149_900, currency: 'RUB', status: 'pending', failureReason: null },
  })
  const reused = await post('/orders', jsonOf({ ...newOrder, amount: '1' }), { ...json, 'idempotency-key': 'k1' })
  t.match(reused, { status: 422, body: { code: 'idempotency_key_reused' } })
  t.match(await get('/orders'), { status: 200, body: { items: [{ id }], next: null } })

  const read = await get(`/orders/${id}`)
  t.match(read, { status: 200, body: { id } })
  const unchanged = await get(`/orders/${id}`, { ...ada, 'if-none-match': String(read.headers.etag) })
  t.match(unchanged, { status: 304, body: undefined })
  t.match(await get(`/journeys/orders/${id}`), { status: 200, body: { service: 'orders-service' } })
  t.match(await get('/status/orders', {}), { status: 200, body: { service: 'orders-service', store: 'ok' } })
  await store.write((tx) => settleOrder(tx, outcomeOf(id, 'insufficient_funds'), arrival()))
  t.match(await get(`/orders/${id}`), { body: { status: 'failed', failureReason: 'insufficient_funds' } })
})

t.test('bad bodies', async (t) => {
  await refusesBodies(t, subject, '/orders', badBodies(newOrder, { description: ['""', '5', 'null', long(501)] }))
  const users = badBodies(newUser, {
    name: ['""', '5', 'null', '["Ada"]', long(101)],
    email: ['""', '"ada"', '5', '"a b@example.com"', `"${'a'.repeat(250)}@example.com"`],
  })
  await refusesBodies(t, subject, '/users', users)
})

t.test('bad identities, before any body', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  await refusesStrangers(t, subject, (app.server.address() as AddressInfo).port)
  for (const id of ['', ...badUserIds]) {
    const call: Call = { method: 'POST', url: '/users', headers: { ...json, 'x-user-id': id }, payload: 'no JSON' }
    await refused(t, subject, call, { label: `user id ${id}`, status: 400, code: 'user_id_invalid' })
  }
})

t.test('bad queries', (t) =>
  refusesPages(t, subject, '/orders', [
    ['status=done', '/query/status'],
    ['status=', '/query/status'],
    ['status=paid&status=failed', '/query/status'],
  ]),
)

t.test('bad idempotency keys', async (t) => {
  for (const key of badIdempotencyKeys) {
    const headers = { ...json, 'idempotency-key': key }
    const call: Call = { method: 'POST', url: '/orders', headers, payload: jsonOf(newOrder) }
    await refused(t, subject, call, { label: `key ${key}`, status: 400, code: 'idempotency_key_invalid' })
  }
  await refusesDoubledKeys(t, subject, (app.server.address() as AddressInfo).port, '/orders', jsonOf(newOrder))
})

t.test('orders that are not there, and not the asking user’s', async (t) => {
  const { body } = await post('/orders', jsonOf(newOrder))
  for (const id of [String(body?.id), 'x', 'x'.repeat(65), '%00', "'%20OR%201=1"]) {
    const wanted = { label: 'of another', status: 404, code: 'order_not_found' }
    await refused(t, subject, { method: 'GET', url: `/orders/${id}`, headers: bob }, wanted)
    await refused(t, subject, { method: 'GET', url: `/journeys/orders/${id}`, headers: bob }, wanted)
  }
  for (const call of [
    { method: 'GET', url: '/nowhere', headers: ada },
    { method: 'POST', url: '/orders/1', headers: ada },
  ] as const) {
    await refused(t, subject, call, { label: 'no route', status: 404, code: 'route_not_found' })
  }
})

t.test('dead letters', async (t) => {
  const unreadable = unreadableBodies({})
  const add = async (message: string) => {
    const letter = { consumer: 'c', eventKey: message, subject: 'payments.succeeded.v1', message, headers: '{}' }
    await store.write((tx) => tx.deadLetters.add({ ...letter, error: 'broken', attempts: 10 }))
    return (await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 1))[0]?.id ?? ''
  }
  const poison = await add('poison')
  t.match(await get('/admin/dead-letters'), { status: 200, body: { items: [{ id: poison, attempts: 10 }] } })
  t.match(await get(`/admin/dead-letters/${poison}`), { status: 200, body: { message: 'poison' } })
  const act = (id: string, what: string): Call => ({ method: 'POST', url: `/admin/dead-letters/${id}/${what}` })
  const failed = { label: 'still poison', status: 409, code: 'replay_failed' }
  await refused(t, subject, act(poison, 'replay'), failed)
  await refusesPages(t, subject, '/admin/dead-letters')
  for (const what of ['replay', 'discard']) {
    await refusesBodies(t, subject, `/admin/dead-letters/${poison}/${what}`, unreadable)
    const unknown = { label: 'unknown', status: 404, code: 'dead_letter_not_found' }
    await refused(t, subject, act('nobody', what), unknown)
    await refused(t, subject, { method: 'GET', url: '/admin/dead-letters/nobody' }, unknown)
  }
  t.match(await contract.call(act(poison, 'discard')), { status: 204 })
  const { body } = await post('/orders', jsonOf(newOrder))
  const good = await add(JSON.stringify(outcomeOf(String(body?.id))))
  t.match(await contract.call(act(good, 'replay')), { status: 204 })
  t.match(await get(`/orders/${body?.id}`), { body: { status: 'paid' } })
  t.match(await get('/admin/dead-letters'), { body: { items: [] } }, 'both are gone')
})

t.test('too many requests of one user, when the limit is on', async (t) => {
  const limited = await ordersApp(t, { perMinute: 2 })
  const ask = (headers: Record<string, string>) => limited.app.inject({ url: '/orders', headers })
  t.strictSame([(await ask(ada)).statusCode, (await ask(ada)).statusCode], [200, 200])
  const refusal = await ask(ada)
  t.match(refusal.json(), { status: 429, code: 'rate_limited', requestId: refusal.headers['x-request-id'] })
  t.match(refusal.headers, { 'content-type': 'application/problem+json', 'retry-after': /^\d+$/ })
  t.equal((await ask(bob)).statusCode, 200, 'another user is served')
  for (let n = 0; n < 2; n += 1) {
    const status = await limited.app.inject('/status/orders')
    t.equal(status.statusCode, 200, 'who names no user is counted by address')
  }
  // Where 429 is documented, each such route must answer it.
  for (const { method, path } of contract.routes) {
    if (!contract.documents(method, path, 429)) continue
    const call: Call = { method, url: path.replace(/\{[^}]+\}/, 'x'), headers: ada }
    t.match(
      await contract.call(call, limited.app),
      { status: 429, body: { code: 'rate_limited' } },
      `${method} ${path}`,
    )
  }
})

t.test('a locked and a broken file', async (t) => {
  const id = (await get('/orders')).body?.items as { id: string }[]
  const writes: Call[] = [
    { method: 'POST', url: '/orders', headers: json, payload: jsonOf(newOrder) },
    { method: 'POST', url: '/users', headers: { 'content-type': 'application/json' }, payload: jsonOf(newUser) },
    { method: 'POST', url: '/admin/dead-letters/x/discard' },
  ]
  const message = JSON.stringify(outcomeOf(String(id[0]?.id)))
  const letter = { consumer: 'c', eventKey: 'k', subject: 'payments.succeeded.v1', message, headers: '{}' }
  await store.write((tx) => tx.deadLetters.add({ ...letter, error: 'broken', attempts: 10 }))
  const waiting = (await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 1))[0]?.id
  writes.push({ method: 'POST', url: `/admin/dead-letters/${waiting}/replay` })
  await unclear(t, subject, store, writes)
  const unlock = lock(file)
  await unavailable(t, subject, writes)
  t.equal((await get('/orders')).status, 200, 'reads are served while the file is locked')
  unlock()
  t.match(await post('/users', jsonOf(newUser), { 'content-type': 'application/json' }), { status: 201 })

  t.match((await app.inject('/health/ready')).json(), { status: 'ok' })
  spoil(file)
  const reads = contract.routes
    .filter(({ method, path }) => method === 'GET' && !path.startsWith('/status/'))
    .map(({ method, path }): Call => ({ method, url: path.replace(/\{[^}]+\}/, 'x'), headers: ada }))
  await unavailable(t, subject, reads)
  const ready = await app.inject('/health/ready')
  t.match([ready.statusCode, ready.json()], [503, { status: 'failed', store: 'failed' }])
  t.match(await get('/status/orders', {}), { status: 200, body: { store: 'failed' } })
})

t.test('every documented answer was given', async (t) => {
  t.strictSame(contract.unanswered(), Object.keys(unreachable).sort())
})

function long(characters: number): string {
  return JSON.stringify('x'.repeat(characters))
}
