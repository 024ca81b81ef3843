import { eventually } from '@checkout/testkit/eventually.ts'
import { effect } from '@preact/signals-core'
import t, { type Test } from 'tap'
import { breathe, openShop } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

async function open(t: Test, server: ShopServer) {
  if (!server.world.users.has('ada')) server.addUser('ada', 10_000)
  const opened = openShop(t, { origin: server.origin })
  await opened.shop.session.enter('ada')
  await eventually(() => opened.shop.orders.list.state.value === 'ready', { what: 'the list' })
  await eventually(() => opened.shop.live.state.value === 'live', { what: 'the socket' })
  const names = () => opened.shop.orders.list.items.value.map(({ description }) => description)
  return { ...opened, names }
}
const fill = (server: ShopServer, n: number, from = 1) => {
  for (let i = from; i < from + n; i++) server.addOrder('ada', { description: `#${i}` })
}
const numbers = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => `#${from - i}`)
/** Changes an order on the server, as services do. */
function settle(server: ShopServer, description: string, status: 'paid' | 'failed' = 'paid') {
  const orders = server.world.orders.get('ada') ?? []
  const failureReason = status === 'failed' ? ('insufficient_funds' as const) : null
  server.world.orders.set(
    'ada',
    orders.map((order) => (order.description === description ? { ...order, status, failureReason } : order)),
  )
  return orders.find((order) => order.description === description)?.id ?? ''
}

t.test('page by page', async (t) => {
  const server = await createShopServer(t)
  fill(server, 45)
  const { shop, names } = await open(t, server)
  const { list } = shop.orders
  t.same(names(), numbers(45, 26))
  t.equal(list.more.value, true)
  const both = [list.loadMore(), list.loadMore()]
  t.equal(list.state.value, 'loading')
  await Promise.all(both)
  t.same(names(), numbers(45, 6))
  t.equal(server.count('GET /orders'), 2, 'a double click loads one page')
  fill(server, 2, 46)
  await list.loadMore()
  t.same(names(), numbers(45, 1), 'new ones above do not shift the pages')
  t.equal(list.more.value, false)
  const asked = server.count('GET /orders')
  await list.loadMore()
  t.equal(server.count('GET /orders'), asked, 'there is no more to ask for')
  await list.refresh()
  t.same(names(), numbers(47, 1), 'what is new comes on top, and what was loaded stays')
  await list.reload()
  t.same(names(), numbers(47, 28))
})

t.test('more is new than a page has', async (t) => {
  const server = await createShopServer(t)
  fill(server, 30)
  const { shop, names } = await open(t, server)
  await shop.orders.list.loadMore()
  fill(server, 25, 31)
  await shop.orders.list.refresh()
  t.same(names(), numbers(55, 36), 'no gap is hidden: the list starts anew')
  t.equal(shop.orders.list.more.value, true)
  await shop.orders.list.loadMore()
  t.same(names(), numbers(55, 16))

  fill(server, 25, 56)
  const news = server.hold('GET /orders')
  const refreshing = shop.orders.list.refresh()
  await eventually(() => news.waiting(), { what: 'the refresh' })
  const page = server.hold('GET /orders')
  const loading = shop.orders.list.loadMore()
  await eventually(() => page.waiting(), { what: 'the next page' })
  news.release()
  await refreshing
  page.release()
  await loading
  t.same(names(), numbers(80, 61), 'a page of before does not go on from the list of now')
  t.equal(shop.orders.list.state.value, 'ready')
})

t.test('a refresh waits for what is on its way', async (t) => {
  const server = await createShopServer(t)
  fill(server, 2)
  const { shop, names } = await open(t, server)
  const asked = server.count('GET /orders')
  const held = server.hold('GET /orders')
  const both = [shop.orders.list.reload(), shop.orders.list.refresh()]
  await eventually(() => held.waiting(), { what: 'the list' })
  await breathe()
  t.equal(server.count('GET /orders'), asked + 1)
  fill(server, 1, 3)
  held.release()
  await Promise.all(both)
  t.same(names(), ['#3', '#2', '#1'])
})

t.test('a page that is on its way while the list starts anew', async (t) => {
  const server = await createShopServer(t)
  fill(server, 45)
  const { shop, names } = await open(t, server)
  const held = server.hold('GET /orders')
  const loading = shop.orders.list.loadMore()
  await eventually(() => held.waiting(), { what: 'the page' })
  held.release()
  const more = server.hold('GET /orders')
  await loading
  t.same(names(), numbers(45, 6))

  const third = shop.orders.list.loadMore()
  await eventually(() => more.waiting(), { what: 'the third page' })
  const reloading = shop.orders.list.reload()
  await eventually(() => more.waiting() === 2, { what: 'the list' })
  more.release()
  await Promise.all([third, reloading])
  t.same(names(), numbers(45, 26), 'it does not get behind the first one')
  t.equal(shop.orders.list.state.value, 'ready')
})

t.test('a list that fails', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  fill(server, 25)
  const fail = () =>
    server.intercept(({ path }) => (path === '/orders' ? problem(503, 'store_unavailable') : undefined))
  let done = fail()
  const { shop } = openShop(t, { origin: server.origin })
  const { list } = shop.orders
  t.equal(list.state.value, 'idle')
  await shop.session.enter('ada')
  await eventually(() => list.state.value === 'failed', { what: 'the failure' })
  t.match(list.problem.value, { code: 'store_unavailable' })
  done()
  await list.loadMore()
  t.equal(list.items.value.length, 20, 'with nothing there, "more" is from the start')
  t.equal(list.problem.value, undefined)
  done = fail()
  await list.loadMore()
  t.equal(list.state.value, 'failed')
  t.equal(list.items.value.length, 20, 'what is there stays')
  await list.refresh()
  t.equal(list.items.value.length, 20)
  done()
  await list.loadMore()
  t.equal(list.items.value.length, 25)
  t.equal(list.state.value, 'ready')
})

t.test('filters', async (t) => {
  const server = await createShopServer(t)
  fill(server, 3)
  settle(server, '#2')
  const { shop, names } = await open(t, server)
  const { list, filter } = shop.orders
  const held = server.hold('GET /orders')
  filter.value = 'paid'
  await eventually(() => held.waiting(), { what: 'the paid ones to be asked for' })
  t.same(names(), [])
  const heldToo = server.hold('GET /orders')
  filter.value = 'all'
  await eventually(() => heldToo.waiting(), { what: 'all to be asked for' })
  held.release()
  await eventually(() => held.waiting() === 0, { what: 'the first answer' })
  t.equal(list.state.value, 'loading')
  heldToo.release()
  await eventually(() => list.state.value === 'ready', { what: 'all of them' })
  t.same(names(), ['#3', '#2', '#1'], 'the answer to the filter of before is dropped')
  filter.value = 'pending'
  await eventually(() => list.state.value === 'ready', { what: 'the pending ones' })
  t.same(names(), ['#3', '#1'])
  t.equal(server.asked.at(-1)?.query.get('status'), 'pending')

  server.write('ada', { kind: 'order_paid', orderId: settle(server, '#3') })
  await eventually(() => names().join() === '#1', { what: 'the paid one to leave' })
  await shop.checkout.place({ amount: '5', description: '#4' })
  t.same(names(), ['#4', '#1'])
  filter.value = 'paid'
  await eventually(() => list.state.value === 'ready', { what: 'the paid ones' })
  t.same(names(), ['#3', '#2'])
  await shop.checkout.place({ amount: '5', description: '#5' })
  t.same(names(), ['#3', '#2'], 'a pending one does not belong here')
})

t.test('one order', async (t) => {
  const server = await createShopServer(t)
  fill(server, 25)
  const { shop, names } = await open(t, server)
  const id = server.world.orders.get('ada')?.find(({ description }) => description === '#1')?.id ?? ''
  const view = shop.orders.one(id)
  t.equal(view, shop.orders.one(id), 'always the same signal')
  const seen: string[] = []
  const dispose = effect(() => {
    const { value } = view
    seen.push(value.state === 'ready' ? value.value.status : value.state)
  })
  t.teardown(dispose)
  await eventually(() => view.value.state === 'ready', { what: 'the order' })
  t.notOk(names().includes('#1'), 'it is on no page that was loaded')
  server.write('ada', { kind: 'order_paid', orderId: settle(server, '#1') })
  await eventually(() => seen.at(-1) === 'paid', { what: 'the new status' })
  t.same(seen, ['loading', 'pending', 'paid'])

  t.match(shop.orders.one('nonsense/../x').value, { state: 'loading' })
  await eventually(() => shop.orders.one('nonsense/../x').value.state === 'failed', { what: 'the failure' })
  t.match(shop.orders.one('nonsense/../x').value, { problem: { code: 'order_not_found' } })
  t.ok(server.asked.some(({ path }) => path === '/orders/nonsense%2F..%2Fx'))
})

t.test('the list and the single order are one', async (t) => {
  const server = await createShopServer(t)
  fill(server, 2)
  const { shop, names } = await open(t, server)
  const id = settle(server, '#1')
  await shop.orders.refresh(id)
  t.equal(shop.orders.list.items.value[1]?.status, 'paid')
  settle(server, '#2')
  const two = shop.orders.one(server.world.orders.get('ada')?.[1]?.id ?? '')
  t.match(two.value, { state: 'ready', value: { description: '#2' } }, 'known from the list at once')
  await shop.orders.list.refresh()
  t.match(two.value, { value: { status: 'paid' } })
  t.same(names(), ['#2', '#1'])
})

t.test('a status never goes back', async (t) => {
  const server = await createShopServer(t)
  fill(server, 1)
  const { shop } = await open(t, server)
  const list = server.hold('GET /orders')
  const refreshing = shop.orders.list.refresh()
  await eventually(() => list.waiting(), { what: 'the old list to be read' })
  const id = settle(server, '#1')
  await shop.orders.refresh(id)
  t.equal(shop.orders.list.items.value[0]?.status, 'paid')
  list.release()
  await refreshing
  t.equal(shop.orders.list.items.value[0]?.status, 'paid')
  t.match(shop.orders.one(id).value, { value: { status: 'paid' } })
})

t.test('an order placed while the list is on its way', async (t) => {
  const server = await createShopServer(t)
  fill(server, 2)
  const { shop, names } = await open(t, server)
  for (const ask of [shop.orders.list.refresh, shop.orders.list.reload]) {
    const before = names()
    const held = server.hold('GET /orders')
    const asking = ask()
    await eventually(() => held.waiting(), { what: 'the old list to be read' })
    await shop.checkout.place({ amount: '5', description: `new ${before.length}` })
    held.release()
    await asking
    t.same(names(), [`new ${before.length}`, ...before])
  }
})

t.test('many letters at once', async (t) => {
  const server = await createShopServer(t)
  fill(server, 8)
  const { shop } = await open(t, server)
  const asked = server.asked.length
  for (let i = 1; i <= 8; i++) server.write('ada', { kind: 'order_paid', orderId: settle(server, `#${i}`) })
  await eventually(() => shop.orders.list.items.value.every(({ status }) => status === 'paid'), {
    what: 'all to be paid',
  })
  const news = server.asked.slice(asked).filter(({ path }) => path.startsWith('/orders'))
  t.ok(news.length <= 4, `asked ${news.length} times, not once per letter`)
})

t.test('an order whose news could not be read', async (t) => {
  const server = await createShopServer(t)
  fill(server, 1)
  const { shop, advance } = await open(t, server)
  const status = () => shop.orders.list.items.value[0]?.status
  const mend = server.intercept(({ path }) => (path === '/orders' ? problem(503, 'store_unavailable') : undefined))
  const asked = server.count('GET /orders')
  server.write('ada', { kind: 'order_paid', orderId: settle(server, '#1') })
  await eventually(() => server.count('GET /orders') > asked, { what: 'the letter’s read' })
  await advance(5_000)
  await eventually(() => server.count('GET /orders') > asked + 1, { what: 'another read' })
  t.equal(status(), 'pending')
  mend()
  await advance(5_000)
  await eventually(() => status() === 'paid', { what: 'the new status' })
  const settled = server.count('GET /orders')
  await advance(20_000)
  t.equal(server.count('GET /orders'), settled, 'a settled order is not asked for again')
})

t.test('a letter about an order far down', async (t) => {
  const server = await createShopServer(t)
  fill(server, 30)
  const { shop } = await open(t, server)
  await shop.orders.list.loadMore()
  const asked = server.count('GET /orders')
  server.write('ada', { kind: 'order_paid', orderId: settle(server, '#3') })
  await eventually(() => shop.orders.list.items.value[27]?.status === 'paid', { what: 'the new status' })
  t.equal(server.count('GET /orders'), asked, 'its page is not what was asked for')
  t.equal(shop.orders.list.items.value.length, 30)
})

t.test('another user’s orders are not shown', async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob', 10)
  fill(server, 2)
  const { shop, names } = await open(t, server)
  const id = server.world.orders.get('ada')?.[0]?.id ?? ''
  const view = shop.orders.one(id)
  const states: string[] = []
  t.teardown(effect(() => void states.push(`${shop.session.current.value?.id} ${view.value.state}`)))
  const held = server.hold(`GET /orders/${id}`, 'ada')
  const [refreshing, list] = [shop.orders.refresh(id), server.hold('GET /orders', 'ada')]
  const listing = shop.orders.list.refresh()
  await eventually(() => held.waiting() && list.waiting(), { what: "ada's requests" })
  await shop.session.enter('bob')
  held.release()
  list.release()
  await Promise.all([refreshing, listing])
  await eventually(() => view.value.state === 'failed' && shop.orders.list.state.value === 'ready', {
    what: "bob's answers",
  })
  t.same(names(), [])
  t.notOk(states.includes('bob ready'), 'not even for a moment')
  t.match(view.value, { problem: { code: 'order_not_found' } })
  shop.session.switchTo('ada')
  await eventually(() => view.value.state === 'ready', { what: 'her own again' })
  shop.session.leave()
  t.same(names(), [], 'nothing is left behind')
  t.equal(shop.orders.list.state.value, 'idle')
  t.equal(view.value.state, 'loading')
})
