/** Every documented answer of payments-service, and every refusal, with proof that it changed nothing. */
import type { AddressInfo } from 'node:net'
import { badBodies, badIdempotencyKeys, jsonOf, unreadableBodies } from '@checkout/testkit/bad-requests.ts'
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
import { ada, bob, orderOf, paymentsApp } from './app.ts'

// Time moves by sleeping: the five seconds that a write waits for a locked file pass at once.
const payments = await paymentsApp(t, { platform: createTestPlatform() })
const { app, store, file } = payments
const contract = await readContract(app)
const subject = { contract, file }
const json = { ...ada, 'content-type': 'application/json' }
const get = (url: string, headers: Record<string, string> = ada) => contract.call({ method: 'GET', url, headers })
const postCall = (url: string, payload?: string, headers: Record<string, string> = json): Call => ({
  method: 'POST',
  url,
  headers,
  ...(payload !== undefined && { payload }),
})
const post = (url: string, payload?: string, headers?: Record<string, string>) =>
  contract.call(postCall(url, payload, headers))
const movements = ['/accounts/me/deposits', '/accounts/me/withdrawals']

/**
 * Documented answers that no request can get here, each with its reason. One that turns out reachable fails the test
 * too. Empty: all are.
 */
const unreachable: Record<string, string> = {}

t.test('without an account', async (t) => {
  const missing = { label: 'no account', status: 404, code: 'account_not_found' }
  await refused(t, subject, { method: 'GET', url: '/accounts/me', headers: ada }, missing)
  await refused(t, subject, { method: 'GET', url: '/accounts/me/transactions', headers: ada }, missing)
  for (const url of movements) {
    const headers = { ...json, 'idempotency-key': 'k' }
    await refused(t, subject, postCall(url, jsonOf({ amount: '5' }), headers), missing)
  }
})

t.test('an account is opened with no body or {}, once', async (t) => {
  await refusesBodies(t, subject, '/accounts', [
    ...unreadableBodies({}),
    {
      label: 'a field',
      contentType: 'application/json',
      payload: '{"x":1}',
      status: 400,
      code: 'validation_failed',
      path: '/x',
    },
    {
      label: 'null',
      contentType: 'application/json',
      payload: 'null',
      status: 400,
      code: 'validation_failed',
      path: '',
    },
    {
      label: 'a list',
      contentType: 'application/json',
      payload: '[]',
      status: 400,
      code: 'validation_failed',
      path: '',
    },
  ])
  const opened = await post('/accounts', undefined, ada)
  t.match(opened, {
    status: 201,
    headers: { location: '/accounts/me' },
    body: { userId: 'ada', balance: 0, currency: 'RUB' },
  })
  t.match(await post('/accounts', '{}', { ...json, ...bob }), { status: 201, body: { userId: 'bob' } })
  t.strictSame((await get('/accounts/me')).body, opened.body)
  for (const [payload, headers] of [
    [undefined, ada],
    ['{}', json],
  ] as const) {
    const exists = { label: 'a second account', status: 409, code: 'account_exists' }
    await refused(t, subject, postCall('/accounts', payload, headers), exists)
  }
})

t.test('money in and out', async (t) => {
  for (const [text, amount] of [
    ['1.0', 1],
    ['1e2', 100],
    ['1000000000000', 1_000_000_000_000],
  ] as const) {
    const entry = { kind: 'deposit', amount, orderId: null }
    t.match(await post('/accounts/me/deposits', jsonOf({ amount: text })), { status: 201, body: entry })
  }
  const taken = await post('/accounts/me/withdrawals', jsonOf({ amount: '1000000000000' }))
  t.match(taken, { status: 201, body: { kind: 'withdrawal', balanceAfter: 101 } })
  const call = postCall('/accounts/me/withdrawals', jsonOf({ amount: '102' }), {
    ...json,
    'idempotency-key': 'refused',
  })
  await refused(t, subject, call, { label: 'one more than there is', status: 409, code: 'insufficient_funds' })
  for (const url of movements) {
    const headers = { ...json, 'idempotency-key': 'k' }
    t.match(await post(url, jsonOf({ amount: '7' }), headers), { status: 201 })
    const reused = { label: 'another body', status: 422, code: 'idempotency_key_reused' }
    await refused(t, subject, postCall(url, jsonOf({ amount: '8' }), headers), reused)
  }
  t.match(await get('/accounts/me/transactions'), { status: 200, body: { items: [{ kind: 'withdrawal', amount: 7 }] } })
})

t.test('the largest balance', async (t) => {
  const whole = { 'x-user-id': 'whole' }
  await post('/accounts', undefined, whole)
  // 9,007 deposits of the largest amount would do the same in a minute; the entry after them is what matters.
  await store.write(async (tx) => {
    for (let i = 0; i < 9_007; i++) await tx.accounts.put('whole', 1_000_000_000_000)
    await tx.accounts.put('whole', 199_254_740_990)
  })
  const headers = { ...json, ...whole }
  const over = { label: 'over 2^53 − 1', status: 409, code: 'balance_limit' }
  await refused(t, subject, postCall('/accounts/me/deposits', jsonOf({ amount: '2' }), headers), over)
  const last = await post('/accounts/me/deposits', jsonOf({ amount: '1' }), headers)
  t.match(last, { status: 201, body: { balanceAfter: Number.MAX_SAFE_INTEGER } })
  t.match(await get('/accounts/me', whole), { status: 200, body: { balance: Number.MAX_SAFE_INTEGER } })
  await refused(t, subject, postCall('/accounts/me/deposits', jsonOf({ amount: '1' }), headers), over)
})

t.test('bad bodies', async (t) => {
  for (const url of movements) await refusesBodies(t, subject, url, badBodies({ amount: '5' }))
})

t.test('bad identities, before any body', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  await refusesStrangers(t, subject, (app.server.address() as AddressInfo).port)
})

t.test('bad queries', (t) => refusesPages(t, subject, '/accounts/me/transactions', [['status=paid', '/query/status']]))

t.test('bad idempotency keys', async (t) => {
  for (const url of movements) {
    for (const key of badIdempotencyKeys) {
      const call = postCall(url, jsonOf({ amount: '5' }), { ...json, 'idempotency-key': key })
      await refused(t, subject, call, { label: `key ${key}`, status: 400, code: 'idempotency_key_invalid' })
    }
    await refusesDoubledKeys(t, subject, (app.server.address() as AddressInfo).port, url, jsonOf({ amount: '5' }))
  }
})

t.test('journeys of orders', async (t) => {
  const order = orderOf()
  await payments.decide(order)
  const url = `/journeys/payments/${order.data.orderId}`
  t.match(await get(url), { status: 200, body: { service: 'payments-service' } })
  for (const [path, headers] of [
    [url, bob],
    [`/journeys/payments/${'x'.repeat(65)}`, ada],
  ] as const) {
    const unknown = { label: 'not there for this user', status: 404, code: 'order_not_found' }
    await refused(t, subject, { method: 'GET', url: path, headers }, unknown)
  }
  t.match(await get('/status/payments', {}), { status: 200, body: { service: 'payments-service', instance: 1 } })
})

t.test('dead letters', async (t) => {
  const add = async (message: string) => {
    const letter = { consumer: 'c', eventKey: message, subject: 'orders.created.v1', message, headers: '{}' }
    await store.write((tx) => tx.deadLetters.add({ ...letter, error: 'broken', attempts: 10 }))
    return (await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 1))[0]?.id ?? ''
  }
  const act = (id: string, what: string): Call => ({ method: 'POST', url: `/admin/dead-letters/${id}/${what}` })
  const poison = await add('poison')
  t.match(await get('/admin/dead-letters'), { status: 200, body: { items: [{ id: poison }] } })
  t.match(await get(`/admin/dead-letters/${poison}`), { status: 200, body: { message: 'poison' } })
  await refused(t, subject, act(poison, 'replay'), { label: 'still poison', status: 409, code: 'replay_failed' })
  await refusesPages(t, subject, '/admin/dead-letters')
  const unknown = { label: 'unknown', status: 404, code: 'dead_letter_not_found' }
  await refused(t, subject, { method: 'GET', url: '/admin/dead-letters/nobody' }, unknown)
  for (const what of ['replay', 'discard']) {
    await refusesBodies(t, subject, `/admin/dead-letters/${poison}/${what}`, unreadableBodies({}))
    await refused(t, subject, act('nobody', what), unknown)
  }
  t.match(await contract.call(act(poison, 'discard')), { status: 204 })
  await payments.move('deposits', 100)
  const order = orderOf({ amount: 5 })
  const before = (await payments.balance()) ?? 0
  t.match(await contract.call(act(await add(JSON.stringify(order)), 'replay')), { status: 204 })
  t.equal(await payments.balance(), before - 5, 'replayed: debited')
  t.match(await contract.call(act(await add(JSON.stringify(order)), 'replay')), { status: 204 })
  t.equal(await payments.balance(), before - 5, 'replayed again: not debited again')
})

t.test('too many requests of one user, when the limit is on', async (t) => {
  const limited = await paymentsApp(t, { perMinute: 1 })
  await limited.app.inject({ url: '/accounts/me', headers: ada })
  const refusal = await limited.app.inject({ method: 'POST', url: '/accounts', headers: ada })
  t.match(refusal.json(), { status: 429, code: 'rate_limited', requestId: refusal.headers['x-request-id'] })
  t.equal((await limited.app.inject({ url: '/accounts/me', headers: bob })).statusCode, 404, 'another user is served')
  t.equal((await limited.app.inject('/status/payments')).statusCode, 200, 'who names no user is counted by address')
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
  const message = JSON.stringify(orderOf())
  const letter = { consumer: 'c', eventKey: 'k', subject: 'orders.created.v1', message, headers: '{}' }
  await store.write((tx) => tx.deadLetters.add({ ...letter, error: 'broken', attempts: 10 }))
  const waiting = (await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 1))[0]?.id
  const balance = (await payments.balance()) ?? 0
  const writes = [
    postCall('/accounts', undefined, { 'x-user-id': 'new' }),
    ...movements.map((url) => postCall(url, jsonOf({ amount: '5' }))),
    { method: 'POST', url: `/admin/dead-letters/${waiting}/replay` },
    { method: 'POST', url: `/admin/dead-letters/${waiting}/discard` },
  ] as const
  await unclear(t, subject, store, writes)
  const unlock = lock(file)
  await unavailable(t, subject, writes)
  t.equal(await payments.balance(), balance, 'reads are served while the file is locked')
  unlock()
  t.match(await post('/accounts/me/deposits', jsonOf({ amount: '5' })), { body: { balanceAfter: balance + 5 } })
  spoil(file)
  const reads = contract.routes
    .filter(({ method, path }) => method === 'GET' && !path.startsWith('/status/'))
    .map(({ method, path }): Call => ({ method, url: path.replace(/\{[^}]+\}/, 'x'), headers: ada }))
  await unavailable(t, subject, reads)
  t.match(await get('/status/payments', {}), { status: 200, body: { store: 'failed' } })
})

t.test('every documented answer was given', async (t) => {
  t.strictSame(contract.unanswered(), Object.keys(unreachable).sort())
})
