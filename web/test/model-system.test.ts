import { eventually } from '@checkout/testkit/eventually.ts'
import { effect } from '@preact/signals-core'
import t from 'tap'
import { createShop } from '../ui/model/shop.ts'
import { breathe, createStage, forbidden, memory, openShop } from './model-platform.ts'
import { createShopServer, problem } from './model-server.ts'

const status = (part: string) => ({
  service: `${part}-service`,
  version: '1',
  instance: 1,
  store: 'ok',
  nats: 'ok',
  outboxBacklog: 0,
  oldestUnpublishedMs: 0,
  deadLetters: 0,
})

t.test('the system strip', async (t) => {
  const server = await createShopServer(t)
  let down = ''
  server.intercept(({ path }) => {
    const [, part = ''] = /^\/status\/(\w+)$/.exec(path) ?? []
    if (part === '') return undefined
    return part === down ? problem(502, 'upstream_unavailable') : { status: 200, body: status(part) }
  })
  const { shop, advance, visible } = openShop(t, { origin: server.origin })
  const { system } = shop
  const states = () => system.parts.value.map(({ status }) => status.state)
  const rounds = () => server.count('GET /status/payments')
  t.match(system.parts.value, [
    { part: 'orders', docs: '/docs/orders/', status: { state: 'loading' } },
    { part: 'payments', docs: '/docs/payments/' },
    { part: 'notifications', docs: '/docs/notifications/' },
  ])
  t.equal(rounds(), 0)
  const stop = system.watch()
  const stopToo = system.watch()
  await eventually(() => states().every((state) => state === 'ready'), { what: 'the first round' })
  t.equal(rounds(), 1, 'two who watch are one who asks')
  down = 'payments'
  await advance(3_000)
  await eventually(() => states().includes('failed'), { what: 'the failure' })
  t.same(states(), ['ready', 'failed', 'ready'], 'that a service does not answer is shown')
  down = ''
  visible.value = false
  await breathe()
  const before = rounds()
  await advance(60_000)
  t.equal(rounds(), before, 'a hidden page does not ask')
  visible.value = true
  await eventually(() => states()[1] === 'ready', { what: 'it to be seen at once' })
  stop()
  stop()
  await advance(3_000)
  await eventually(() => rounds() > before + 1, { what: 'the other one to watch on' })
  stopToo()
  await breathe()
  const last = rounds()
  await advance(60_000)
  t.equal(rounds(), last)
})

t.test('start and stop', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 5)
  const stage = createStage({ origin: server.origin })
  const shop = createShop(stage.platform)
  t.equal(stage.timers(), 0)
  shop.start()
  shop.start()
  await shop.session.enter('ada')
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  await eventually(() => shop.account.account.value?.state === 'ready', { what: 'the account' })
  t.equal(server.connections.length, 1)
  shop.system.watch()
  server.intercept(() => 'hang')
  void shop.account.refresh()
  void shop.checkout.place({ amount: '5', description: 'Tea' })
  await eventually(() => server.count('POST /orders'), { what: 'the order' })
  shop.stop()
  shop.stop()
  await breathe()
  await eventually(() => server.connections.length === 0 && stage.timers() === 0, { what: 'everything to end' })
  const asked = server.asked.length
  await stage.advance(120_000)
  t.equal(server.asked.length, asked, 'a stopped shop asks for nothing')
  t.equal(shop.live.state.value, 'off')
})

t.test('a stopped shop starts again where it was', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 5)
  const { shop } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  shop.stop()
  server.write('ada')
  shop.start()
  await eventually(() => shop.toasts.shown.value.length === 1, { what: 'the letter of meanwhile' })
  await eventually(() => shop.account.account.value?.state === 'ready', { what: 'the account' })
})

t.test('back from an outage everything is looked at again', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 5)
  const order = server.addOrder('ada')
  const { shop, advance } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  const view = shop.orders.one(order.id)
  t.teardown(effect(() => void view.value))
  await eventually(() => shop.live.state.value === 'live' && view.value.state === 'ready', { what: 'the start' })
  for (const { socket } of server.connections) socket.terminate()
  await eventually(() => shop.live.state.value === 'retrying', { what: 'the loss' })
  server.world.orders.set('ada', [{ ...order, status: 'paid' }])
  server.world.accounts.set('ada', { userId: 'ada', balance: 1, currency: 'RUB', createdAt: '' })
  await advance(250)
  await eventually(() => view.value.state === 'ready' && view.value.value.status === 'paid', { what: 'the status' })
  await eventually(
    () => shop.account.account.value?.state === 'ready' && shop.account.account.value.value.balance === 1,
    { what: 'the balance' },
  )
  t.equal(shop.orders.list.items.value[0]?.status, 'paid')
})

t.test('what was done in another tab is seen when somebody looks', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 5)
  server.addUser('bob')
  const storage = memory()
  const other = openShop(t, { origin: server.origin, storage })
  const { shop, visible } = openShop(t, { origin: server.origin, storage })
  await shop.session.enter('ada')
  await eventually(() => shop.account.account.value?.state === 'ready', { what: 'the account' })
  visible.value = false
  await other.shop.session.enter('bob')
  server.world.accounts.set('ada', { userId: 'ada', balance: 77, currency: 'RUB', createdAt: '' })
  server.addOrder('ada', { description: 'placed elsewhere' })
  visible.value = true
  await eventually(
    () => shop.account.account.value?.state === 'ready' && shop.account.account.value.value.balance === 77,
    { what: 'the balance' },
  )
  await eventually(() => shop.orders.list.items.value[0]?.description === 'placed elsewhere', { what: 'the order' })
  t.same(
    shop.session.users.value.map(({ id }) => id),
    ['ada', 'bob'],
  )
  t.equal(shop.session.current.value?.id, 'ada')
})

t.test('every request is made in the name of the current user', async (t) => {
  const server = await createShopServer(t)
  for (const id of ['ada', 'bob']) server.addUser(id, 5)
  const { shop } = openShop(t, { origin: server.origin, storage: forbidden, tab: forbidden })
  for (const id of ['ada', 'bob']) {
    await shop.session.enter(id)
    await eventually(() => shop.account.account.value?.state === 'ready' && shop.live.state.value === 'live', {
      what: 'the start',
    })
    const from = server.asked.length
    await shop.account.deposit('1')
    await shop.checkout.place({ amount: '1', description: 'Tea' })
    await shop.letters.send({ subject: 'a', body: 'b' })
    await shop.orders.list.reload()
    const stop = shop.system.watch()
    await eventually(() => server.count('GET /status/orders'), { what: 'the status' })
    stop()
    t.same([...new Set(server.asked.slice(from).map(({ userId }) => userId))], [id])
    server.asked.length = 0
  }
})
