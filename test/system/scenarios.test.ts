/** Both assignments through the gateway, over real processes, and what else only the whole system shows. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const recordExit = new URL('../support/record-exit.ts', import.meta.url).href
const parts = ['orders', 'payments', 'notifications'] as const

t.test('a healthy run', async (t) => {
  const exitCodes = mkdtempSync(join(tmpdir(), 'exit-codes-'))
  const env = { EXIT_CODES: exitCodes, NODE_OPTIONS: `--import ${recordExit}` }
  await withSystem(t, { env }, async (system) => {
    await t.test('first assignment: account, top-up, orders', (t) => firstAssignment(t, system))
    await t.test('second assignment: registration, letters', (t) => secondAssignment(t, system))
    await t.test('a repeated request', (t) => idempotency(t, system))
    await t.test('the way of an order, and the state of the services', (t) => journeys(t, system))
    await t.test('documentation', (t) => documentation(t, system))
    await t.test('what the gateway keeps to itself', (t) => hidden(t, system))
    const pids = system.processes.map(({ pid }) => `${pid}`)
    await system.stop()
    t.strictSame(
      pids.map((pid) => readFileSync(join(exitCodes, pid), 'utf8')),
      pids.map(() => '0'),
      'every process ended with exit code 0',
    )
    t.strictSame(readdirSync(exitCodes).toSorted(), pids.toSorted(), 'and none was started twice')
    assertNoErrors(t, system)
  })
  rmSync(exitCodes, { recursive: true })
})

const terminal = (api: ReturnType<typeof client>, id: string) =>
  eventually(
    async () => {
      const { body } = await api('GET', `/orders/${id}`)
      return body.status === 'pending' ? undefined : body
    },
    { what: `order ${id} reaches its end` },
  )

async function firstAssignment(t: Test, system: System) {
  const api = client(system.url, 'buyer')
  const account = await api('POST', '/accounts')
  t.equal(account.status, 201)
  t.match(account.body, { userId: 'buyer', balance: 0, currency: 'RUB' })
  const second = await api('POST', '/accounts')
  t.equal(second.status, 409)
  t.equal(second.body.code, 'account_exists', 'at most one account per user')

  t.match(await api('POST', '/accounts/me/deposits', { amount: 1_000 }), {
    status: 201,
    body: { kind: 'deposit', amount: 1_000, balanceAfter: 1_000 },
  })
  t.equal((await api('GET', '/accounts/me')).body.balance, 1_000)

  const order = await api('POST', '/orders', { amount: 300, description: 'Sun hat' })
  t.equal(order.status, 201)
  t.equal(order.headers.get('location'), `/orders/${order.body.id}`)
  t.match(order.body, { status: 'pending', amount: 300, currency: 'RUB', description: 'Sun hat', userId: 'buyer' })
  t.match(await terminal(api, order.body.id), { status: 'paid', failureReason: null })
  t.equal((await api('GET', '/accounts/me')).body.balance, 700, 'debited')

  const beyond = await api('POST', '/orders', { amount: 701, description: 'Boat' })
  t.equal(beyond.status, 201)
  t.match(await terminal(api, beyond.body.id), { status: 'failed', failureReason: 'insufficient_funds' })
  t.equal((await api('GET', '/accounts/me')).body.balance, 700, 'unchanged')

  const list = await api('GET', '/orders')
  t.strictSame(
    list.body.items.map((item: { id: string; status: string }) => [item.id, item.status]),
    [
      [beyond.body.id, 'failed'],
      [order.body.id, 'paid'],
    ],
    'the list, newest first',
  )
  t.equal((await client(system.url, 'other')('GET', `/orders/${order.body.id}`)).status, 404, "another's is not seen")

  const { headers } = await api('GET', `/orders/${order.body.id}`)
  const unchanged = await api('GET', `/orders/${order.body.id}`, undefined, {
    'if-none-match': `${headers.get('etag')}`,
  })
  t.equal(unchanged.status, 304)
  t.equal(unchanged.body, undefined)
}

async function secondAssignment(t: Test, system: System) {
  const api = client(system.url, 'ada')
  const user = await api('POST', '/users', { name: 'Ada Lovelace', email: 'ada@example.com' })
  t.match(user, { status: 201, body: { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' } })
  await eventually(async () => (await api('GET', '/accounts/me')).status === 200, {
    what: 'the account opens by itself',
  })
  t.equal((await api('POST', '/accounts/me/deposits', { amount: 500_000 })).status, 201)

  const affordable = await api('POST', '/orders', { amount: 149_900, description: 'Sun hat, straw' })
  t.match(await terminal(api, affordable.body.id), { status: 'paid' })
  t.equal((await api('GET', '/accounts/me')).body.balance, 350_100)
  const unaffordable = await api('POST', '/orders', { amount: 350_101, description: 'Boat' })
  t.match(await terminal(api, unaffordable.body.id), { status: 'failed' })
  t.equal((await api('GET', '/accounts/me')).body.balance, 350_100, 'not debited')

  await eventually(async () => (await api('GET', '/notifications')).body.items.length === 2, { what: 'two letters' })
  const { items } = (await api('GET', '/notifications')).body
  t.match(items, [
    { seq: 2, kind: 'order_failed', orderId: unaffordable.body.id, to: 'ada@example.com', body: /sorry/ },
    { seq: 1, kind: 'order_paid', orderId: affordable.body.id, to: 'ada@example.com', body: /Good news/ },
  ])
}

async function idempotency(t: Test, system: System) {
  const api = client(system.url, 'ada')
  const body = { amount: 1_000, description: 'Once' }
  const key = { 'idempotency-key': 'once-1' }
  const first = await api('POST', '/orders', body, key)
  const again = await api('POST', '/orders', body, key)
  t.equal(first.headers.get('idempotency-replayed'), null)
  t.equal(again.headers.get('idempotency-replayed'), 'true')
  t.equal(again.status, 201)
  t.strictSame(again.body, first.body)
  t.equal(again.headers.get('location'), first.headers.get('location'))
  const other = await api('POST', '/orders', { ...body, amount: 1_001 }, key)
  t.match(other, { status: 422, body: { code: 'idempotency_key_reused' } })
  const { items } = (await api('GET', '/orders')).body
  t.equal(items.filter((order: { description: string }) => order.description === 'Once').length, 1)
}

async function journeys(t: Test, system: System) {
  const api = client(system.url, 'ada')
  await untilSettled(t, system, 'scenarios')
  const { items } = (await api('GET', '/orders')).body
  for (const { id, status } of items) {
    for (const part of parts) {
      const { body } = await api('GET', `/journeys/${part}/${id}`)
      t.equal(body.service, `${part}-service`)
      t.ok(body.steps.length >= 2, `${part} knows at least two steps of a ${status} order: ${body.steps.length}`)
    }
  }
  t.match(await api('GET', '/journeys/orders/none'), { status: 404, body: { code: 'order_not_found' } })
  for (const part of parts) {
    const idle = async () => (await api('GET', `/status/${part}`)).body.outboxBacklog === 0
    await eventually(idle, { what: `${part} has published everything` })
    t.match((await api('GET', `/status/${part}`)).body, {
      service: `${part}-service`,
      instance: 1,
      store: 'ok',
      nats: 'ok',
      outboxBacklog: 0,
      deadLetters: 0,
    })
  }
}

async function documentation(t: Test, system: System) {
  const page = await fetch(`${system.url}/docs/`)
  t.equal(page.status, 200)
  t.match(page.headers.get('content-type'), /^text\/html/)
  const api = client(system.url)
  t.equal((await api('GET', '/docs')).status, 200, 'redirected')
  for (const part of parts) {
    const ui = await api('GET', `/docs/${part}/`)
    t.equal(ui.status, 200)
    const assets = [...String(ui.body).matchAll(/(?:src|href)="([^"]+\.(?:js|css|png))"/g)].map((m) => m[1] as string)
    t.ok(assets.length >= 3, `${part}: the page has assets: ${assets.length}`)
    for (const asset of assets) {
      const answer = await fetch(new URL(asset, `${system.url}/docs/${part}/`))
      t.equal(answer.status, 200, `${part}: ${asset}`)
      t.ok((await answer.arrayBuffer()).byteLength > 0)
    }
    const { body } = await api('GET', `/docs/${part}/json`)
    t.match(body.openapi, /^3\.1\./)
    t.ok(Object.keys(body.paths).length > 0)
  }
}

async function hidden(t: Test, system: System) {
  const api = client(system.url, 'ada')
  for (const path of [
    '/admin/dead-letters',
    '/orders/../admin/dead-letters',
    '/docs/orders/%2e%2e/%2e%2e/admin/dead-letters',
  ]) {
    t.equal((await api('GET', path)).status, 404, `${path} is not reachable`)
  }
  const metrics = await api('GET', '/metrics')
  t.notMatch(String(metrics.body), /lease_held|outbox_backlog/, "the services' metrics are not reachable")
}
