import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { forbidden, memory, openShop, type StageOptions } from './model-platform.ts'
import { createShopServer, type ShopServer } from './model-server.ts'

const plain = (text: string | undefined) => text?.replace(/[\u00a0\u202f]/g, ' ')

async function open(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  if (!server.world.users.has('ada')) server.addUser('ada', 10_000)
  const opened = openShop(t, { origin: server.origin, ...options })
  if (!opened.shop.session.current.value) await opened.shop.session.enter('ada')
  await eventually(() => opened.shop.live.state.value === 'live', { what: 'the socket' })
  await eventually(() => opened.shop.orders.list.state.value === 'ready', { what: 'the orders' })
  const { toasts } = opened.shop
  const titles = () => toasts.shown.value.map(({ title }) => title)
  const shows = (n: number) =>
    eventually(() => toasts.shown.value.length === n, { what: `${n} toasts, not ${titles()}` })
  return { ...opened, toasts, titles, shows }
}

t.test('one per letter', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const paid = server.addOrder('ada', { description: 'Sun hat' })
  const failed = server.addOrder('ada', { description: 'Piano', amount: 90_000_000 })
  const { toasts, shows, shop } = await open(t, server)
  server.write('ada', { kind: 'order_paid', orderId: paid.id })
  server.write('ada', { kind: 'order_failed', orderId: failed.id })
  const message = server.write('ada', { subject: 'Hello' })
  await shows(3)
  t.match(
    toasts.shown.value.map((toast) => ({ ...toast, text: plain(toast.text) })),
    [
      { tone: 'good', title: 'Order paid', text: '“Sun hat”, ₽1,499.00', orderId: paid.id, letterSeq: 1 },
      { tone: 'bad', title: 'Order not paid', text: /^“Piano”, ₽900,000.00. Nothing was taken/, orderId: failed.id },
      { tone: 'info', title: 'New letter', text: 'Hello', orderId: null, letterId: message.id, letterSeq: 3 },
    ],
  )
  shop.settings.language.value = 'ru'
  t.match(
    toasts.shown.value.map((toast) => ({ ...toast, text: plain(toast.text) })),
    [
      { title: 'Заказ оплачен', text: '«Sun hat», 1 499,00 ₽' },
      { title: 'Заказ не оплачен' },
      { title: 'Новое письмо', text: 'Hello' },
    ],
  )
  t.same(
    toasts.history.value.map(({ id }) => id),
    toasts.shown.value.map(({ id }) => id).reverse(),
    'newest first',
  )
})

t.test('a long description is shortened, so that a phone is not covered', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const order = server.addOrder('ada', { description: 'Straw hat '.repeat(50) })
  const { toasts, shows } = await open(t, server)
  server.write('ada', { kind: 'order_paid', orderId: order.id })
  await shows(1)
  const text = plain(toasts.shown.value[0]?.text)
  t.equal(text, `“${'Straw hat '.repeat(8).trimEnd()}…”, ₽1,499.00`)
})

t.test('it says more as soon as more is known', async (t) => {
  const server = await createShopServer(t)
  const { toasts, shows } = await open(t, server)
  // Placed in another tab: this one learns of it by the letter.
  const order = server.addOrder('ada', { description: 'Piano', status: 'failed', failureReason: 'insufficient_funds' })
  server.write('ada', { kind: 'order_failed', orderId: order.id })
  await shows(1)
  await eventually(() => /Piano/.test(toasts.shown.value[0]?.text ?? ''), { what: 'what it was about' })
  t.match(toasts.shown.value[0]?.text, /“Piano”.*not enough money/)
  t.match(toasts.history.value[0]?.text, /“Piano”.*not enough money/)
})

t.test('good news go, bad news stay', async (t) => {
  const server = await createShopServer(t)
  const { toasts, shows, titles, advance } = await open(t, server)
  server.write('ada', { kind: 'order_paid', orderId: server.addOrder('ada').id })
  server.write('ada', { kind: 'order_failed', orderId: server.addOrder('ada').id })
  await shows(2)
  await advance(7_999)
  t.equal(titles().length, 2)
  await advance(1)
  t.same(titles(), ['Order not paid'])
  await advance(600_000)
  t.same(titles(), ['Order not paid'])
  toasts.dismiss(toasts.shown.value[0]?.id ?? '')
  t.same(titles(), [])
  t.equal(toasts.history.value.length, 2)
  toasts.dismiss('unknown')
  toasts.pause('unknown')
  toasts.resume('unknown')
})

t.test('the pointer holds it', async (t) => {
  const server = await createShopServer(t)
  const { toasts, shows, titles, advance, timers } = await open(t, server)
  server.write('ada')
  await shows(1)
  const id = toasts.shown.value[0]?.id ?? ''
  await advance(5_000)
  toasts.pause(id)
  toasts.pause(id)
  const before = timers()
  await advance(60_000)
  t.equal(titles().length, 1)
  toasts.resume(id)
  toasts.resume(id)
  t.equal(timers(), before + 1, 'one clock')
  await advance(2_999)
  t.equal(titles().length, 1, 'what remained goes on')
  await advance(1)
  t.equal(titles().length, 0)

  server.write('ada')
  await shows(1)
  const next = toasts.shown.value[0]?.id ?? ''
  await advance(7_900)
  toasts.pause(next)
  toasts.resume(next)
  await advance(1_999)
  t.equal(titles().length, 1, 'but there is time to see it go')
  await advance(1)
  t.equal(titles().length, 0)
})

t.test('a hidden page does not let them pass unseen', async (t) => {
  const server = await createShopServer(t)
  const { shows, titles, advance, visible } = await open(t, server)
  server.write('ada')
  await shows(1)
  visible.value = false
  server.write('ada')
  await shows(2)
  await advance(60_000)
  t.equal(titles().length, 2)
  visible.value = true
  await advance(8_000)
  t.equal(titles().length, 0)
})

t.test('a long backlog does not cover the page', async (t) => {
  const server = await createShopServer(t)
  const { toasts, advance, shop, due } = await open(t, server)
  for (const { socket } of server.connections) socket.terminate()
  await eventually(() => shop.live.state.value === 'retrying', { what: 'the loss' })
  server.write('ada', { kind: 'order_failed', orderId: server.addOrder('ada').id })
  for (let i = 0; i < 60; i++) server.write('ada')
  await advance(250)
  await eventually(() => toasts.history.value[0]?.letterSeq === 61, { what: 'the backlog' })
  t.equal(toasts.shown.value.length, 21)
  t.equal(toasts.shown.value[0]?.tone, 'bad', 'what is bad stays')
  t.equal(toasts.history.value.length, 50)
  t.equal(due().filter((ms) => ms === 8_000).length, 20, 'those that went left no clock')
})

t.test('history', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  server.addUser('bob')
  const tab = memory()
  const { toasts, shows, shop } = await open(t, server, { storage, tab })
  server.write('ada')
  server.write('ada')
  await shows(2)
  shop.stop()
  const again = await open(t, server, { storage, tab })
  t.same(again.titles(), [], 'a reload shows nothing twice')
  t.equal(again.toasts.history.value.length, 2)
  await again.shop.session.enter('bob')
  t.same(again.toasts.history.value, [], 'each user has a history')
  again.shop.session.switchTo('ada')
  t.equal(again.toasts.history.value.length, 2)
  again.toasts.clearHistory()
  t.same(again.toasts.history.value, [])
  t.equal((await open(t, server, { storage, tab })).toasts.history.value.length, 0)
  t.same(toasts.history.value, [], 'a stopped shop shows nothing')
})

t.test('two tabs of one user', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  const one = await open(t, server, { storage })
  const two = await open(t, server, { storage })
  server.write('ada')
  await one.shows(1)
  await two.shows(1)
  one.visible.value = false
  one.visible.value = true
  t.equal(one.toasts.history.value.length, 1, 'in the history it stands once')
  t.equal(JSON.parse(storage.getItem('checkout.toasts:ada') ?? '[]').length, 1)
})

t.test("another user's toasts go with the user", async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob')
  const { shows, titles, shop, timers } = await open(t, server)
  server.write('ada')
  await shows(1)
  await shop.session.enter('bob')
  t.same(titles(), [])
  await eventually(() => shop.live.state.value === 'live', { what: "bob's socket" })
  await eventually(() => timers() === 2, { what: 'only the ticking clock and the look at the connection to be left' })
  shop.session.switchTo('ada')
  t.same(titles(), [])
})

t.test('browser notifications', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const order = server.addOrder('ada', { description: 'Sun hat' })
  const { shows, shop, visible, notified, permission } = await open(t, server)
  t.equal(shop.notifications.permission.value, 'default')
  visible.value = false
  server.write('ada')
  await shows(1)
  t.same(notified, [], 'not without permission')
  await shop.notifications.request()
  t.equal(permission.value, 'granted')
  const paid = server.write('ada', { kind: 'order_paid', orderId: order.id })
  await shows(2)
  t.match(notified, [{ title: 'Order paid', text: /Sun hat/, tag: paid.id }])
  notified[0]?.click()
  t.same(shop.route.value, { name: 'order', id: order.id })
  server.write('ada')
  await shows(3)
  notified[1]?.click()
  t.same(shop.route.value, { name: 'letter', seq: 3 })
  visible.value = true
  server.write('ada')
  await shows(4)
  t.equal(notified.length, 2, 'whoever looks at the page needs none')
})

t.test('storage that refuses, or holds nonsense', async (t) => {
  const server = await createShopServer(t)
  const { toasts, shows } = await open(t, server, { storage: forbidden, tab: forbidden })
  server.write('ada')
  await shows(1)
  t.equal(toasts.history.value.length, 1)
  const storage = memory()
  const whole = { id: 'n', kind: 'message', at: 1, orderId: null, subject: 'Kept', order: { amount: 'x' } }
  storage.setItem(
    'checkout.toasts:ada',
    JSON.stringify([
      null,
      5,
      {},
      { id: 'a', kind: 'later', at: 1 },
      { id: 'b', kind: 'refused', at: 1, refused: { action: 'x' } },
      whole,
    ]),
  )
  const odd = await open(t, server, { storage })
  t.match(odd.toasts.history.value, [{ title: 'New letter', text: 'Kept' }])
  t.equal(odd.toasts.history.value.length, 1)
})
