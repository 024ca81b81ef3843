/** Every documented answer of notifications-service, and every refusal, with proof that it changed nothing. */
import type { AddressInfo } from 'node:net'
import { badBodies, jsonOf, unreadableBodies } from '@checkout/testkit/bad-requests.ts'
import { lock, spoil } from '@checkout/testkit/database.ts'
import { type Call, readContract } from '@checkout/testkit/http-contract.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import {
  refused,
  refusesBodies,
  refusesPages,
  refusesStrangers,
  unavailable,
  unclear,
} from '@checkout/testkit/refusals.ts'
import t from 'tap'
import { ada, bob, notificationsApp, paidOf } from './app.ts'

// Time moves by sleeping: the five seconds that a write waits for a locked file pass at once.
const notifications = await notificationsApp(t, { platform: createTestPlatform() })
const { app, store, file } = notifications
const contract = await readContract(app)
const subject = { contract, file }
const newMessage = { subject: '"About my order"', body: '"Please wrap it."' }
const json = { ...ada, 'content-type': 'application/json' }
const get = (url: string, headers: Record<string, string> = ada) => contract.call({ method: 'GET', url, headers })
const send: Call = { method: 'POST', url: '/notifications', headers: json, payload: jsonOf(newMessage) }

/**
 * Documented answers that no request can get here, each with its reason. One that turns out reachable fails the test
 * too. Empty: all are.
 */
const unreachable: Record<string, string> = {}

t.test('good requests', async (t) => {
  t.strictSame((await get('/notifications')).body, { items: [], next: null })
  const sent = await contract.call(send)
  t.match(sent, {
    status: 201,
    body: { seq: 1, userId: 'ada', kind: 'message', orderId: null, to: null, mail: 'none' },
  })
  t.strictSame((await get('/notifications')).body?.items, [sent.body])
  const paid = paidOf()
  await notifications.settled(paid)
  const journey = await get(`/journeys/notifications/${paid.data.orderId}`)
  t.match(journey, { status: 200, body: { service: 'notifications-service' } })
  t.match(await get('/status/notifications', {}), {
    status: 200,
    body: { service: 'notifications-service', store: 'ok' },
  })
  for (const [id, headers] of [
    [paid.data.orderId, bob],
    ['x'.repeat(65), ada],
  ] as const) {
    const unknown = { label: 'not there for this user', status: 404, code: 'order_not_found' }
    await refused(t, subject, { method: 'GET', url: `/journeys/notifications/${id}`, headers }, unknown)
  }
})

t.test('bad bodies', async (t) => {
  const long = (characters: number) => JSON.stringify('x'.repeat(characters))
  const wrong = {
    subject: ['""', '5', 'null', '["x"]', '"two\\r\\nBcc: all@example.com"', '"line\\n"', long(201)],
    body: ['""', '5', 'null', long(10_001)],
  }
  await refusesBodies(t, subject, '/notifications', badBodies(newMessage, wrong))
})

t.test('bad identities, before any body', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  await refusesStrangers(t, subject, (app.server.address() as AddressInfo).port)
})

t.test('bad queries', (t) => refusesPages(t, subject, '/notifications', [['status=paid', '/query/status']]))

t.test('dead letters', async (t) => {
  const add = async (message: string) => {
    const letter = { consumer: 'c', eventKey: message, subject: 'orders.paid.v1', message, headers: '{}' }
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
  const paid = paidOf()
  const before = (await notifications.letters()).items.length
  t.match(await contract.call(act(await add(JSON.stringify(paid)), 'replay')), { status: 204 })
  t.match(await contract.call(act(await add(JSON.stringify(paid)), 'replay')), { status: 204 })
  t.equal((await notifications.letters()).items.length, before + 1, 'replayed twice: one letter')
})

t.test('too many requests of one user, when the limit is on', async (t) => {
  const limited = await notificationsApp(t, { perMinute: 1 })
  await limited.app.inject({ url: '/notifications', headers: ada })
  const refusal = await limited.app.inject(send)
  t.match(refusal.json(), { status: 429, code: 'rate_limited', requestId: refusal.headers['x-request-id'] })
  t.equal((await limited.app.inject({ url: '/notifications', headers: bob })).statusCode, 200, 'another user is served')
  t.equal(
    (await limited.app.inject('/status/notifications')).statusCode,
    200,
    'who names no user is counted by address',
  )
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
  const message = JSON.stringify(paidOf())
  const letter = { consumer: 'c', eventKey: 'k', subject: 'orders.paid.v1', message, headers: '{}' }
  await store.write((tx) => tx.deadLetters.add({ ...letter, error: 'broken', attempts: 10 }))
  const waiting = (await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 1))[0]?.id
  const writes = [
    send,
    { method: 'POST', url: `/admin/dead-letters/${waiting}/replay` },
    { method: 'POST', url: `/admin/dead-letters/${waiting}/discard` },
  ] as const
  await unclear(t, subject, store, writes)
  const unlock = lock(file)
  await unavailable(t, subject, writes)
  const { items } = await notifications.letters()
  t.ok(items.length > 0, 'reads are served while the file is locked')
  unlock()
  t.match(await contract.call(send), { status: 201, body: { seq: items[0].seq + 1 } })
  spoil(file)
  const reads = contract.routes
    .filter(({ method, path }) => method === 'GET' && !path.startsWith('/status/') && !path.endsWith('/stream'))
    .map(({ method, path }): Call => ({ method, url: path.replace(/\{[^}]+\}/, 'x'), headers: ada }))
  await unavailable(t, subject, reads)
  t.match(await get('/status/notifications', {}), { status: 200, body: { store: 'failed' } })
})

t.test('every documented answer was given', async (t) => {
  // The WebSocket's answers are no JSON over HTTP; its own tests have them.
  const ofStream = (name: string) => name.includes('/notifications/stream ')
  t.strictSame(
    contract.unanswered().filter((name) => !ofStream(name)),
    Object.keys(unreachable).sort(),
  )
})
