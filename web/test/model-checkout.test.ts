import { Description } from '@checkout/contracts/values.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { forbidden, memory, openShop, type StageOptions } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

const hat = { amount: '1 499,00', description: ' Sun hat ' }
const key = 'checkout.orders.unanswered:ada'

/** A shop in which ada has an account, and is the tab's user. */
async function open(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  if (!server.world.users.has('ada')) server.addUser('ada', 500_000)
  const storage = options.storage ?? memory()
  const opened = openShop(t, { origin: server.origin, ...options, storage })
  if (!opened.shop.session.current.value) await opened.shop.session.enter('ada')
  await eventually(() => opened.shop.account.account.value?.state === 'ready', { what: 'the account' })
  return { ...opened, storage }
}
const keysOf = (server: ShopServer) =>
  server.asked.flatMap(({ method, path, headers }) =>
    method === 'POST' && path === '/orders' ? [headers['idempotency-key']] : [],
  )

t.test('an order is placed', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  const storedThen: (string | null)[] = []
  const onFetch = (url: string) => void (url.endsWith('/orders') && storedThen.push(storage.getItem(key)))
  const { shop } = await open(t, server, { storage, onFetch })
  const held = server.hold('POST /orders')
  const placing = shop.checkout.place(hat)
  await eventually(() => held.waiting(), { what: 'the request' })
  t.match(shop.checkout.attempt.value, { amount: 149_900, description: 'Sun hat', state: 'sending' })
  t.equal(storedThen.length, 1)
  t.match(JSON.parse(storedThen[0] ?? '[]'), [{ key: keysOf(server)[0] }], 'its key was stored before it was sent')
  held.release()
  const placed = await placing
  t.match(placed, { ok: true, order: { amount: 149_900, description: 'Sun hat', status: 'pending' } })
  t.equal(shop.checkout.attempt.value, undefined)
  t.equal(storage.getItem(key), null)
  t.equal(shop.orders.list.items.value[0]?.description, 'Sun hat', 'the list has it without asking')
  await shop.checkout.place(hat)
  t.equal(new Set(keysOf(server)).size, 2, 'the same order again is another one')
})

t.test('what cannot be sent', async (t) => {
  const server = await createShopServer(t)
  const { shop } = await open(t, server)
  t.match(await shop.checkout.place({ amount: 'much', description: ' ' }), {
    ok: false,
    problem: {
      code: 'validation_failed',
      fields: { '/amount': 'must be an amount such as 1499.00', '/description': 'must not be empty' },
    },
  })
  const longest = (Description as { maxLength?: number }).maxLength ?? 0
  const long = await shop.checkout.place({ amount: '1', description: '😀'.repeat(longest + 1) })
  t.match(long, { problem: { fields: { '/description': `must have at most ${longest} characters` } } })
  t.equal(server.count('POST /orders'), 0)
  t.match(
    await shop.checkout.place({ amount: '1', description: '😀'.repeat(longest) }),
    { ok: true },
    'characters, not code units',
  )
  shop.session.leave()
  t.match(await shop.checkout.place(hat), { ok: false, problem: { code: 'no_user' } })
  const nobody = openShop(t, { origin: server.origin })
  t.match(await nobody.shop.checkout.place(hat), { ok: false, problem: { code: 'no_user' } })
  t.match(await nobody.shop.account.deposit('1'), { ok: false, problem: { code: 'no_user' } })
  t.match(await shop.checkout.retry(), { ok: false, problem: { code: 'no_user' } })
})

t.test('a refusal settles it', async (t) => {
  const server = await createShopServer(t)
  const { shop, storage } = await open(t, server)
  for (const reply of [
    problem(400, 'validation_failed', [{ path: '/description', message: 'must be one line' }]),
    problem(422, 'idempotency_key_reused'),
    problem(401, 'user_id_required'),
  ]) {
    const done = server.intercept(({ method }) => (method === 'POST' ? reply : undefined))
    const placed = await shop.checkout.place(hat)
    t.match(placed, { ok: false })
    t.equal(shop.checkout.attempt.value, undefined)
    t.equal(storage.getItem(key), null)
    done()
  }
  t.equal(server.count('POST /orders'), 3, 'nothing was tried again')
  t.same(shop.toasts.shown.value, [], 'whoever waits for the answer needs no toast')
})

t.test('whatever leaves it open keeps it, and the same key goes again', async (t) => {
  const server = await createShopServer(t)
  const { shop, storage } = await open(t, server)
  for (const reply of [
    'cut' as const,
    problem(500, 'internal_error'),
    problem(502, 'upstream_unavailable'),
    problem(503, 'store_unavailable'),
    problem(504, 'upstream_timeout'),
    problem(429, 'rate_limited'),
    problem(408, 'request_timeout'),
    { status: 403, text: '<h1>Proxy</h1>' },
    { status: 200, text: '<h1>Log in</h1>' },
  ]) {
    const what = typeof reply === 'string' ? reply : String(reply.status)
    server.asked.length = 0
    const done = server.intercept(({ method }) => (method === 'POST' ? reply : undefined))
    const placed = await shop.checkout.place(hat)
    t.equal(placed.ok, false, what)
    t.match(shop.checkout.attempt.value, { state: 'unanswered', problem: { detail: String } }, what)
    t.ok(storage.getItem(key), what)
    done()
    t.match(await shop.checkout.retry(), { ok: true }, what)
    t.equal(keysOf(server).length, 2)
    t.equal(new Set(keysOf(server)).size, 1, `${what}: one key`)
    t.equal(shop.checkout.attempt.value, undefined)
    t.equal(storage.getItem(key), null)
  }
  t.match(await shop.checkout.retry(), { ok: false, problem: { code: 'nothing_pending' } })
})

t.test('a double click places one order', async (t) => {
  const server = await createShopServer(t)
  const { shop } = await open(t, server)
  const [first, second] = await Promise.all([shop.checkout.place(hat), shop.checkout.place(hat)])
  t.same(first, second)
  t.equal(server.count('POST /orders'), 1)
})

t.test('one attempt at a time', async (t) => {
  const server = await createShopServer(t)
  const { shop } = await open(t, server)
  const done = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  await shop.checkout.place(hat)
  const other = { amount: '5', description: 'Postcard' }
  t.match(await shop.checkout.place(other), { ok: false, problem: { code: 'attempt_pending' } })
  t.equal(server.count('POST /orders'), 1)
  done()
  t.match(await shop.checkout.place(hat), { ok: true }, 'the same form again is the same attempt')
  t.equal(new Set(keysOf(server)).size, 1)
  t.match(await shop.checkout.place(other), { ok: true })
})

t.test('giving up', async (t) => {
  const server = await createShopServer(t)
  const { shop, storage } = await open(t, server)
  const held = server.hold('POST /orders')
  const placing = shop.checkout.place(hat)
  await eventually(() => held.waiting(), { what: 'the request' })
  shop.checkout.abandon()
  t.equal(shop.checkout.attempt.value, undefined)
  t.equal(storage.getItem(key), null)
  const heldToo = server.hold('POST /orders')
  const other = shop.checkout.place({ amount: '5', description: 'Postcard' })
  await eventually(() => heldToo.waiting(), { what: 'the next request' })
  held.release()
  t.match(await placing, { ok: true }, 'it had arrived all the same, and the list shows it')
  t.match(shop.checkout.attempt.value, { description: 'Postcard', state: 'sending' }, 'it is not the next one’s answer')
  heldToo.release()
  t.match(await other, { ok: true })
  t.equal(shop.checkout.attempt.value, undefined)
  t.equal(shop.orders.list.items.value.length, 2)
})

t.test('a reload sends it again by itself', async (t) => {
  const server = await createShopServer(t)
  const tab = memory()
  const { shop, storage } = await open(t, server, { tab })
  server.intercept(({ method }) => (method === 'POST' && server.count('POST /orders') === 1 ? 'hang' : undefined))
  void shop.checkout.place(hat)
  await eventually(() => server.count('POST /orders') === 1, { what: 'the request' })
  shop.stop() // the page goes, with the request under way

  const { shop: again } = await open(t, server, { tab, storage })
  await eventually(() => storage.getItem(key) === null, { what: 'the answer' })
  t.equal(keysOf(server).length, 2)
  t.equal(new Set(keysOf(server)).size, 1)
  t.equal(again.orders.list.items.value.length, 1)
  t.equal(again.checkout.attempt.value, undefined)
  t.same(again.toasts.shown.value, [])
})

t.test('sent again by itself and refused: a toast says so', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  storage.setItem(
    key,
    JSON.stringify([{ key: 'k1', at: Date.parse('2026-11-22T09:00:00Z'), input: { amount: 5, description: 'Tea' } }]),
  )
  const done = server.intercept(({ method }) => (method === 'POST' ? problem(401, 'user_id_required') : undefined))
  const { shop } = await open(t, server, { storage })
  await eventually(() => shop.toasts.shown.value.length, { what: 'the toast' })
  done()
  t.match(shop.toasts.shown.value, [{ tone: 'bad', title: 'Your order “Tea” was not placed', text: /register/ }])
  t.equal(storage.getItem(key), null)
})

t.test('when the network or the shop is back', async (t) => {
  const server = await createShopServer(t)
  const { shop, online } = await open(t, server)
  const done = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  online.value = false
  t.match(await shop.checkout.place(hat), { ok: false, problem: { code: 'offline' } })
  done()
  online.value = true
  await eventually(() => shop.checkout.attempt.value === undefined, { what: 'the order to be placed' })
  t.equal(new Set(keysOf(server)).size, 1)

  const refusing = server.intercept(({ method }) =>
    method === 'POST' ? problem(502, 'upstream_unavailable') : undefined,
  )
  const second = await open(t, server)
  await eventually(() => second.shop.live.state.value === 'live', { what: 'the socket' })
  await second.shop.checkout.place({ amount: '5', description: 'Postcard' })
  for (const { socket } of server.connections) socket.terminate()
  await eventually(() => second.shop.live.state.value === 'retrying', { what: 'the loss' })
  refusing()
  await second.advance(1_000)
  await eventually(() => second.shop.checkout.attempt.value === undefined, { what: 'the order to be placed' })
  t.equal(server.world.orders.get('ada')?.length, 2)
})

t.test('several tabs of one user', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  const [one, two] = [await open(t, server, { storage }), await open(t, server, { storage })]
  const done = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  await one.shop.checkout.place(hat)
  await two.shop.checkout.place({ amount: '5', description: 'Postcard' })
  t.equal(JSON.parse(storage.getItem(key) ?? '[]').length, 2, 'neither overwrites the other one’s')
  done()
  t.match(await two.shop.checkout.retry(), { ok: true })
  t.equal(JSON.parse(storage.getItem(key) ?? '[]').length, 1)
  one.shop.stop()
  two.shop.stop()
  // The browser comes back with one tab: it finishes what both had begun.
  const later = await open(t, server, { storage })
  await eventually(() => storage.getItem(key) === null, { what: 'the first tab’s order' })
  t.equal(new Set(keysOf(server)).size, 2)
  t.equal(server.world.orders.get('ada')?.length, 2)
  t.equal(later.shop.checkout.attempt.value, undefined)
})

t.test('the user is switched under way', async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob', 100)
  const { shop, storage } = await open(t, server)
  await shop.session.enter('bob')
  shop.session.switchTo('ada')
  const held = server.hold('POST /orders')
  const placing = shop.checkout.place(hat)
  await eventually(() => held.waiting(), { what: 'the request' })
  shop.session.switchTo('bob')
  t.equal(shop.checkout.attempt.value, undefined, "it is not bob's")
  await eventually(() => shop.orders.list.state.value === 'ready', { what: "bob's list" })
  shop.session.switchTo('ada')
  t.match(shop.checkout.attempt.value, { state: 'sending' }, 'and has not been forgotten')
  await eventually(() => shop.orders.list.state.value === 'ready', { what: "ada's list" })
  t.equal(server.count('POST /orders'), 1, 'nor sent twice')
  shop.session.switchTo('bob')
  held.release()
  t.match(await placing, { ok: true })
  t.equal(storage.getItem(key), null, 'the answer settles it all the same')
  t.same(shop.orders.list.items.value, [], "and nothing of it gets into bob's list")
  shop.session.switchTo('ada')
  t.equal(shop.checkout.attempt.value, undefined)
})

t.test('refused behind a switch: the other user hears nothing of it', async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob', 100)
  const { shop } = await open(t, server)
  await shop.session.enter('bob')
  shop.session.switchTo('ada')
  const cutting = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  await shop.checkout.place(hat)
  cutting()
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  server.intercept(async ({ method }) => {
    if (method !== 'POST') return undefined
    await released
    return problem(401, 'user_id_required')
  })
  shop.session.switchTo('bob')
  shop.session.switchTo('ada') // a new visit sends it again
  await eventually(() => server.count('POST /orders') === 2, { what: 'the second try' })
  shop.session.switchTo('bob')
  release()
  await eventually(() => !shop.checkout.attempt.value && shop.orders.list.state.value === 'ready', {
    what: "bob's page",
  })
  shop.session.switchTo('ada')
  await eventually(() => shop.checkout.attempt.value === undefined, { what: 'the refusal' })
  t.same(shop.toasts.history.value, [])
  shop.session.switchTo('bob')
  t.same(shop.toasts.history.value, [])
})

t.test('switched before it was sent: nobody pays for it', async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob', 100)
  server.addUser('ada', 100)
  const { shop } = openShop(t, { origin: server.origin })
  const held = server.hold('GET /accounts/me')
  await shop.session.enter('bob')
  await shop.session.enter('ada')
  const placing = shop.checkout.place(hat) // waits for the currency
  await eventually(() => held.waiting(), { what: 'the account to be asked for' })
  shop.session.switchTo('bob')
  held.release()
  t.match(await placing, { ok: false, problem: { code: 'no_user' } })
  t.equal(server.count('POST /orders'), 0)
})

t.test('amounts are not read by a guess', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 100)
  const account = server.world.accounts.get('ada')
  server.world.accounts.delete('ada')
  const { shop, advance } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  const placing = shop.checkout.place({ amount: '1499', description: 'Sun hat' })
  await eventually(() => server.count('GET /accounts/me') >= 1, { what: 'the account to be asked for' })
  if (account) server.world.accounts.set('ada', { ...account, currency: 'JPY' })
  await eventually(
    async () => {
      await advance(1_000)
      return server.count('POST /orders')
    },
    { what: 'the order to go once the account is open' },
  )
  t.match(await placing, { ok: true, order: { amount: 1_499 } })
  t.equal(shop.account.currency.value, 'JPY')
})

t.test('without any currency there is no order', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 100)
  const storage = memory()
  const { shop } = openShop(t, { origin: server.origin, storage })
  const done = server.intercept(({ path }) =>
    path.startsWith('/accounts') ? problem(502, 'upstream_unavailable') : undefined,
  )
  await shop.session.enter('ada')
  t.match(await shop.checkout.place(hat), { ok: false, problem: { code: 'upstream_unavailable' } })
  t.equal(server.count('POST /orders'), 0)
  done()
  await shop.account.refresh()
  server.intercept(({ path }) => (path.startsWith('/accounts') ? problem(502, 'upstream_unavailable') : undefined))
  t.match(await shop.checkout.place(hat), { ok: true }, 'orders are taken while payments is down')
  shop.stop()
  const listing = server.intercept(({ method, path }) => (method === 'GET' && path === '/orders' ? 'cut' : undefined))
  const later = openShop(t, { origin: server.origin, storage })
  await later.shop.session.enter('ada')
  t.match(await later.shop.checkout.place(hat), { ok: true }, 'also after a reload')
  listing()
  const elsewhere = openShop(t, { origin: server.origin })
  await elsewhere.shop.session.enter('ada')
  await eventually(() => elsewhere.shop.orders.list.state.value === 'ready', { what: 'the orders' })
  t.match(await elsewhere.shop.checkout.place(hat), { ok: true }, 'and where earlier orders tell the currency')
})

t.test('an attempt that is too old to be repeated safely', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  const at = Date.parse('2026-11-21T10:30:00Z') // 23.5 h before now
  storage.setItem(key, JSON.stringify([{ key: 'k1', at, input: { amount: 5, description: 'Tea' } }]))
  const { shop } = await open(t, server, { storage })
  t.match(shop.toasts.shown.value, [{ tone: 'bad', text: /more than a day old/ }])
  t.equal(server.count('POST /orders'), 0)
  t.equal(storage.getItem(key), null)
  t.equal(shop.checkout.attempt.value, undefined)
})

t.test('storage that refuses, or holds nonsense', async (t) => {
  const server = await createShopServer(t)
  const { shop } = await open(t, server, { storage: forbidden, tab: forbidden })
  const done = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  await shop.checkout.place(hat)
  t.match(shop.checkout.attempt.value, { state: 'unanswered' })
  done()
  t.match(await shop.checkout.retry(), { ok: true })
  const storage = memory()
  storage.setItem(
    key,
    '[{"key":"k","at":1},{"key":5},null,{"key":"k","at":"x","input":{"amount":1.5,"description":""}}]',
  )
  const odd = await open(t, server, { storage })
  t.equal(odd.shop.checkout.attempt.value, undefined)
  t.match(await odd.shop.checkout.place(hat), { ok: true })
})
