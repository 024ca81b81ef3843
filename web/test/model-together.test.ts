/** What only goes wrong when several parts, or several tabs, come together. */

import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { breathe, memory, openShop } from './model-platform.ts'
import { createShopServer } from './model-server.ts'

t.test('the inbox stays in order when more than a page of letters was missed', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 10_000)
  const storage = memory()
  const { shop: before } = openShop(t, { origin: server.origin, storage })
  await before.session.enter('ada')
  await eventually(() => before.live.state.value === 'live', { what: 'the socket' })
  server.write('ada')
  await eventually(() => before.letters.list.items.value.length === 1, { what: 'the first letter' })
  before.stop()
  for (let i = 0; i < 39; i++) server.write('ada')

  const { shop } = openShop(t, { origin: server.origin, storage })
  const { list } = shop.letters
  await eventually(() => shop.live.state.value === 'live', { what: 'the socket' })
  await eventually(() => list.state.value === 'ready', { what: 'the list' })
  await breathe()
  const seqs = () => list.items.value.map(({ seq }) => seq)
  t.same(
    seqs(),
    seqs().sort((a, b) => b - a),
  )
  while (list.more.value) await list.loadMore()
  t.same(
    seqs(),
    Array.from({ length: 40 }, (_, i) => 40 - i),
  )
})

t.test('a forgotten user leaves nothing behind, also from another tab', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 10_000)
  const storage = memory()
  const one = openShop(t, { origin: server.origin, storage })
  await one.shop.session.enter('ada')
  await eventually(() => one.shop.live.state.value === 'live', { what: 'the first tab' })
  const two = openShop(t, { origin: server.origin, storage })
  await eventually(() => two.shop.live.state.value === 'live', { what: 'the second tab' })
  one.shop.session.forget('ada')
  server.write('ada')
  await eventually(() => two.shop.toasts.history.value.length === 1, { what: 'a toast in the second tab' })
  two.visible.value = false
  two.visible.value = true
  await breathe()
  t.equal(two.shop.session.current.value, undefined)
  t.same(
    [...storage.data].filter((entry) => /ada/.test(entry.join())),
    [],
  )
})

t.test('an order that was discarded in one tab is not sent by another', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 10_000)
  const storage = memory()
  const repair = server.intercept(({ method, path }) => (method === 'POST' && path === '/orders' ? 'cut' : undefined))
  const one = openShop(t, { origin: server.origin, storage })
  await one.shop.session.enter('ada')
  await eventually(() => one.shop.live.state.value === 'live', { what: 'the first tab' })
  await eventually(() => one.shop.account.account.value?.state === 'ready', { what: 'the account' })
  await one.shop.checkout.place({ amount: '10', description: 'Sun hat' })
  t.equal(one.shop.checkout.attempt.value?.state, 'unanswered')
  const two = openShop(t, { origin: server.origin, storage })
  await eventually(() => two.shop.checkout.attempt.value?.state === 'unanswered', { what: 'the second tab' })
  two.shop.checkout.abandon()
  repair()
  one.online.value = false
  one.online.value = true
  await eventually(() => one.shop.checkout.attempt.value === undefined, { what: 'the first tab to let go of it' })
  await breathe()
  t.same(server.world.orders.get('ada') ?? [], [])
})
