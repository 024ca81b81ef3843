import { eventually } from '@checkout/testkit/eventually.ts'
import { effect } from '@preact/signals-core'
import t, { type Test } from 'tap'
import { breathe, memory, openShop, type StageOptions } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

async function open(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  if (!server.world.users.has('ada')) server.addUser('ada', 10_000)
  const storage = options.storage ?? memory()
  const opened = openShop(t, { origin: server.origin, ...options, storage })
  if (!opened.shop.session.current.value) await opened.shop.session.enter('ada')
  await eventually(() => opened.shop.live.state.value === 'live', { what: 'the socket' })
  await eventually(() => opened.shop.letters.list.state.value === 'ready', { what: 'the list' })
  const seqs = () => opened.shop.letters.list.items.value.map(({ seq }) => seq)
  return { ...opened, storage, seqs }
}

t.test('the inbox', async (t) => {
  const server = await createShopServer(t)
  for (let i = 0; i < 3; i++) server.write('ada')
  const { shop, seqs, storage } = await open(t, server)
  const { letters } = shop
  t.same(seqs(), [3, 2, 1])
  t.equal(letters.unread.value, 0, 'in a first visit nobody knows what was read')
  server.write('ada')
  server.write('ada')
  await eventually(() => letters.unread.value === 2, { what: 'the badge' })
  t.same(seqs(), [5, 4, 3, 2, 1], 'pushes come into the list without asking')
  t.equal(server.count('GET /notifications'), 1)
  t.same(letters.list.items.value.map(letters.isUnread), [true, true, false, false, false])

  const again = await open(t, server, { storage })
  t.equal(again.shop.letters.unread.value, 2, 'a reload keeps the badge')
  letters.markRead()
  t.equal(letters.unread.value, 0)
  again.visible.value = false
  again.visible.value = true
  t.equal(again.shop.letters.unread.value, 0, 'the other tab learns of it when somebody looks')
  server.write('ada')
  await eventually(() => letters.unread.value === 1, { what: 'the badge' })
})

t.test('whoever registers here has read nothing', async (t) => {
  const server = await createShopServer(t)
  const { shop } = openShop(t, { origin: server.origin })
  await shop.session.register({ id: 'eve', name: 'Eve', email: 'eve@example.com' })
  server.write('eve') // before the socket is there
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  await eventually(() => shop.letters.unread.value === 1, { what: 'the badge' })
  t.equal(shop.toasts.shown.value.length, 1)
  await eventually(() => shop.letters.list.items.value.length === 1, { what: 'the list' })
})

t.test('pushes while the list is on its way', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  server.intercept(async ({ path }) => void (path === '/notifications' && (await released)))
  const { shop } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  await eventually(() => shop.live.state.value === 'live' && server.count('GET /notifications'), { what: 'the start' })
  server.write('ada')
  await eventually(() => shop.letters.list.items.value.length === 1, { what: 'the push' })
  const second = server.write('eve', { userId: 'ada', seq: 2 }) // stored, but its push is late
  server.world.letters.set('ada', [...(server.world.letters.get('ada') ?? []), second])
  release()
  await eventually(() => shop.letters.list.state.value === 'ready', { what: 'the list' })
  const seqs = () => shop.letters.list.items.value.map(({ seq }) => seq)
  t.same(seqs(), [2, 1], 'in order')
  for (const { socket } of server.connections) socket.send(JSON.stringify({ type: 'notification', ...second }))
  await eventually(() => shop.toasts.shown.value.length === 2, { what: 'the late push' })
  t.same(seqs(), [2, 1])
})

t.test('a letter that is mailed stays mailed', async (t) => {
  const server = await createShopServer(t)
  const { shop } = await open(t, server)
  const letter = server.write('ada', { mail: 'queued' })
  await eventually(() => shop.letters.list.items.value.length === 1, { what: 'the push' })
  server.world.letters.set('ada', [{ ...letter, mail: 'sent', sentAt: '2026-11-22T10:00:09.000Z' }])
  await shop.letters.list.refresh()
  t.equal(shop.letters.list.items.value[0]?.mail, 'sent')
  for (const { socket } of server.connections) socket.send(JSON.stringify({ type: 'notification', ...letter, seq: 1 }))
  server.write('ada')
  await eventually(() => shop.letters.list.items.value.length === 2, { what: 'the next push' })
  t.equal(shop.letters.list.items.value[1]?.mail, 'sent')
})

t.test('one letter, however far down', async (t) => {
  const server = await createShopServer(t)
  for (let i = 0; i < 50; i++) server.write('ada')
  const { shop, seqs } = await open(t, server)
  const view = shop.letters.one(3)
  t.equal(view, shop.letters.one(3))
  await breathe()
  t.equal(seqs().length, 20, 'nothing is loaded before somebody looks')
  t.match(view.value, { state: 'loading' })
  const states: string[] = []
  const dispose = effect(() => void states.push(view.value.state))
  await eventually(() => view.value.state === 'ready', { what: 'the letter' })
  t.same(states, ['loading', 'ready'])
  t.equal(seqs().length, 50)
  dispose()
  await breathe()
  await shop.letters.list.reload()
  t.equal(shop.letters.list.state.value, 'ready', 'nor after somebody has looked')
  t.equal(seqs().length, 20)
  const none = shop.letters.one(51)
  t.teardown(effect(() => void none.value))
  await eventually(() => none.value.state === 'failed', { what: 'the end of the list' })
  t.match(none.value, { problem: { code: 'letter_not_found' } })
  server.write('ada')
  await eventually(() => none.value.state === 'ready', { what: 'the letter that comes' })
})

t.test('a letter that is looked at while the list fails', async (t) => {
  const server = await createShopServer(t)
  for (let i = 0; i < 45; i++) server.write('ada')
  const { shop } = await open(t, server)
  const done = server.intercept(({ query }) => (query.has('cursor') ? problem(503, 'store_unavailable') : undefined))
  const view = shop.letters.one(1)
  t.teardown(effect(() => void view.value))
  await eventually(() => view.value.state === 'failed', { what: 'the failure' })
  const asked = server.count('GET /notifications')
  await breathe()
  t.equal(server.count('GET /notifications'), asked, 'it is not asked for again and again')
  done()
  await shop.letters.list.reload()
  await eventually(() => view.value.state === 'ready', { what: 'the letter, once somebody tried again' })
})

t.test('a letter that is looked at from the start, or over a switch', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  server.addUser('bob')
  for (let i = 0; i < 25; i++) server.write('ada')
  server.write('bob')
  const { shop } = openShop(t, { origin: server.origin })
  const view = shop.letters.one(2)
  t.teardown(effect(() => void view.value))
  t.match(view.value, { state: 'loading' })
  await shop.session.enter('ada')
  await eventually(() => view.value.state === 'ready', { what: "ada's letter" })
  await shop.session.enter('bob')
  await eventually(() => view.value.state === 'failed', { what: 'that bob has none' })
  shop.session.switchTo('ada')
  await eventually(() => view.value.state === 'ready' && view.value.value.userId === 'ada', {
    what: "ada's letter again",
  })
  t.equal(shop.letters.list.items.value.length, 25)
})

t.test('write one', async (t) => {
  const server = await createShopServer(t)
  const { shop, seqs } = await open(t, server)
  const message = { subject: 'Hello', body: 'Please wrap it.' }
  const [first, second] = await Promise.all([shop.letters.send(message), shop.letters.send(message)])
  t.match([first, second], [{ ok: true }, { ok: true }])
  t.equal(server.count('POST /notifications'), 1, 'a double click sends one')
  t.same(server.asked.find(({ method }) => method === 'POST')?.body, message)
  t.same(seqs(), [1])
  server.intercept(() => problem(400, 'validation_failed', [{ path: '/subject', message: 'must not be empty' }]))
  const refused = await shop.letters.send({ subject: '', body: '' })
  t.match(refused, { ok: false, problem: { fields: { '/subject': 'must not be empty' } } })
  shop.session.leave()
  t.match(await shop.letters.send(message), { ok: false, problem: { code: 'no_user' } })
})

t.test('a restored server', async (t) => {
  const server = await createShopServer(t)
  const { shop, advance } = await open(t, server)
  for (let i = 0; i < 3; i++) server.write('ada')
  await eventually(() => shop.letters.unread.value === 3, { what: 'the badge' })
  shop.letters.markRead()
  server.world.letters.set('ada', (server.world.letters.get('ada') ?? []).slice(0, 1))
  for (const { socket } of server.connections) socket.terminate()
  await eventually(() => shop.live.state.value === 'retrying', { what: 'the loss' })
  await advance(250)
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  server.write('ada')
  await eventually(() => shop.letters.unread.value === 1, { what: 'the letter that is numbered anew' })
  t.pass()
})

t.test('what nobody has read stays unread over a reload', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 10_000)
  const storage = memory()
  const { shop: before } = openShop(t, { origin: server.origin, storage })
  await before.session.enter('ada')
  await eventually(() => before.live.state.value === 'live', { what: 'the socket' })
  server.write('ada')
  server.write('ada')
  await eventually(() => before.letters.unread.value === 2, { what: 'two unread letters' })
  before.stop()
  const { shop } = openShop(t, { origin: server.origin, storage })
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  t.equal(shop.letters.unread.value, 2)
})
