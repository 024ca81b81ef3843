import type { JourneyStep } from '@checkout/contracts/http.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { effect } from '@preact/signals-core'
import t, { type Test } from 'tap'
import { breathe, memory, openShop, START_MS, type StageOptions } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

type Part = 'orders' | 'payments' | 'notifications'

const at = (ms: number) => new Date(START_MS + ms).toISOString()
const step = (name: string, ms: number, more: Partial<JourneyStep> = {}): JourneyStep => ({
  step: name,
  at: at(ms),
  ...more,
})
const placed = step('placed', 0, { eventId: 'e1' })
const settled = [placed, step('inbox', 20, { eventId: 'e2' }), step('paid', 22)]
const decided = [
  step('inbox', 6, { eventId: 'e1' }),
  step('decision', 9, { payload: { outcome: 'paid' } }),
  step('debit', 9),
]
const lettered = (seq: number, mail = 'none') => [step('inbox', 27), step('letter', 30, { payload: { seq, mail } })]

/** Serves the journey of the order `o` of ada from `known`, which tests fill. */
function tell(server: ShopServer) {
  const known: Partial<Record<Part, JourneyStep[]>> = {}
  server.intercept(({ path, userId }) => {
    const [, part] = /^\/journeys\/(\w+)\/o$/.exec(path) ?? []
    if (!part) return undefined
    const steps = userId === 'ada' ? known[part as Part] : undefined
    return steps ? { status: 200, body: { service: `${part}-service`, steps } } : problem(404, 'order_not_found')
  })
  return known
}
const rounds = (server: ShopServer) => server.count('GET /journeys/notifications/o')

async function open(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  for (const id of ['ada', 'bob']) if (!server.world.users.has(id)) server.addUser(id)
  const opened = openShop(t, { origin: server.origin, ...options })
  await opened.shop.session.enter('ada')
  await eventually(() => opened.shop.live.state.value === 'live', { what: 'the socket' })
  const { view } = opened.shop.journeys.of('o')
  /** Looks at the view as a component does; returns the way to look away. */
  const look = () => effect(() => void view.value)
  const steps = () => (view.value.state === 'ready' ? view.value.value.items.map((item) => item.step) : [])
  const readTimes = (n: number) =>
    eventually(() => rounds(server) >= n, { what: `reading ${n}, not ${rounds(server)}` })
  return { ...opened, view, look, steps, readTimes }
}

t.test('it fills in while somebody looks', async (t) => {
  const server = await createShopServer(t)
  const known = tell(server)
  known.orders = [placed]
  const { shop, view, look, steps, advance, platform } = await open(t, server)
  t.equal(shop.journeys.of('o'), shop.journeys.of('o'), 'always the same object')
  await breathe()
  t.equal(rounds(server), 0, 'nobody looks, nobody asks')
  const dispose = look()
  await eventually(() => steps().length === 1, { what: 'the beginning' })
  t.match(view.value, { value: { complete: false, waitingFor: 'orders-service' } })

  known.payments = decided
  await advance(400)
  await eventually(() => steps().includes('debit'), { what: 'the debit' })
  known.orders = settled
  const letter = server.write('ada', { orderId: 'o', kind: 'order_paid' })
  known.notifications = lettered(letter.seq)
  // No clock is moved: the push is what makes it look.
  await eventually(() => steps().at(-1) === 'received', { what: 'the end' })
  t.match(view.value, { value: { complete: true, ahead: [] } })
  t.equal(view.value.state === 'ready' && view.value.value.items.at(-1)?.at, new Date(platform.now()).toISOString())

  const before = rounds(server)
  await advance(60_000)
  t.equal(rounds(server), before, 'a complete one is not read again')
  dispose()
})

t.test('eagerly at first, then patiently', async (t) => {
  const server = await createShopServer(t)
  tell(server).orders = [placed]
  const { look, advance, readTimes, due } = await open(t, server)
  const dispose = look()
  /** Waits for a round to end and goes to the next one; returns how far away that was. */
  const nextRound = async () => {
    const before = rounds(server)
    const delayMs = await eventually(() => due().find((ms) => ms === 400 || ms === 2_000), {
      what: 'the next round to be planned',
    })
    await advance(delayMs)
    await readTimes(before + 1)
    return delayMs
  }
  await readTimes(1)
  const delays: number[] = []
  for (let i = 0; i < 28; i++) delays.push(await nextRound())
  t.same(delays, [...Array(25).fill(400), 2_000, 2_000, 2_000])
  server.write('ada', { orderId: 'o' })
  await readTimes(30)
  t.equal(await nextRound(), 400, 'a push is worth being eager again')
  dispose()
  const last = rounds(server)
  await advance(30_000)
  t.equal(rounds(server), last, 'nobody looks any more')
})

t.test('a hidden page does not ask', async (t) => {
  const server = await createShopServer(t)
  tell(server).orders = [placed]
  const { look, advance, visible, readTimes, view, due } = await open(t, server)
  t.teardown(look())
  await eventually(() => view.value.state === 'ready', { what: 'the first round' })
  visible.value = false
  const before = rounds(server)
  await advance(60_000)
  t.equal(rounds(server), before)
  server.write('ada', { orderId: 'o' })
  await readTimes(before + 1)
  await eventually(() => !due().includes(15_000), { what: 'the round to end' })
  await breathe()
  await advance(60_000)
  t.equal(rounds(server), before + 1, 'a push makes it look once')
  visible.value = true
  await readTimes(before + 2)
})

t.test('an order that is not there, and a service that is not', async (t) => {
  const server = await createShopServer(t)
  const known = tell(server)
  const { look, advance, view, shop } = await open(t, server)
  t.teardown(look())
  await eventually(() => view.value.state === 'failed', { what: 'the failure' })
  t.match(view.value, { problem: { code: 'order_not_found' } })
  const before = rounds(server)
  await advance(30_000)
  t.equal(rounds(server), before, 'a 404 is not asked for again by itself')
  known.orders = [placed]
  const done = server.intercept(({ path }) =>
    path.startsWith('/journeys') ? problem(502, 'upstream_unavailable') : undefined,
  )
  await shop.journeys.of('o').refresh()
  t.match(view.value, { problem: { code: 'upstream_unavailable' } })
  done()
  await advance(2_000)
  await eventually(() => view.value.state === 'ready', { what: 'the journey' })
  known.payments = decided
  await advance(2_000)
  await eventually(() => view.value.state === 'ready' && view.value.value.items.length > 1, { what: 'more of it' })
  server.intercept(({ path }) => (path.startsWith('/journeys') ? 'cut' : undefined))
  await shop.journeys.of('o').refresh()
  t.match(view.value, { state: 'ready', value: { items: { length: 4 } } }, 'what was read stays')
})

t.test('a push that this browser had earlier, or never will', async (t) => {
  const server = await createShopServer(t)
  const known = tell(server)
  const storage = memory()
  const first = await open(t, server, { storage })
  known.orders = settled
  known.payments = decided
  known.notifications = lettered(1)
  server.write('ada', { orderId: 'o', kind: 'order_paid' })
  await eventually(() => first.shop.toasts.shown.value.length, { what: 'the push' })
  first.shop.stop()

  const again = await open(t, server, { storage })
  t.teardown(again.look())
  await eventually(() => again.steps().at(-1) === 'received', { what: 'the push as it was' })

  // Another tab gets it later; when this browser had it first is what counts.
  await again.advance(5_000)
  const late = server.world.letters.get('ada')?.[0]
  storage.removeItem('checkout.letters.seen:ada')
  for (const { socket } of server.connections)
    socket.send(JSON.stringify({ type: 'notification', ...late, id: 'again', seq: 2 }))
  await eventually(() => again.shop.toasts.shown.value.length, { what: 'the second push' })
  t.match(JSON.parse(storage.getItem('checkout.letters.received:ada') ?? ''), [{ orderId: 'o', at: START_MS }])

  const elsewhere = await open(t, server)
  t.teardown(elsewhere.look())
  await eventually(() => elsewhere.view.value.state === 'ready', { what: 'the journey' })
  t.match(elsewhere.view.value, { value: { complete: true, ahead: [], items: { length: 8 } } }, 'nobody waits for it')
  const before = rounds(server)
  await elsewhere.advance(60_000)
  t.equal(rounds(server), before)
})

t.test('mail is waited for', async (t) => {
  const server = await createShopServer(t)
  const known = tell(server)
  Object.assign(known, { orders: settled, payments: decided, notifications: lettered(1, 'queued') })
  const { look, view, advance, steps } = await open(t, server)
  server.write('ada', { orderId: 'o', kind: 'order_paid' })
  t.teardown(look())
  await eventually(() => steps().at(-1) === 'received', { what: 'the push' })
  t.match(view.value, { value: { complete: false, waitingFor: 'notifications-service' } })
  known.notifications = [...lettered(1, 'sent'), step('mailed', 1_000)]
  // More than once: the round that the push began may end only now, and plans the next one then.
  const later = async () => {
    await advance(2_000)
    return steps().includes('mailed')
  }
  await eventually(later, { what: 'the mail' })
  t.match(view.value, { value: { complete: true } })
})

t.test('another user', async (t) => {
  const server = await createShopServer(t)
  tell(server).orders = [placed]
  const { look, view, shop } = await open(t, server)
  t.teardown(look())
  await eventually(() => view.value.state === 'ready', { what: 'the journey' })
  const held = server.hold('GET /journeys/orders/o', 'ada')
  const refreshing = shop.journeys.of('o').refresh()
  await eventually(() => held.waiting(), { what: "ada's request" })
  await shop.session.enter('bob')
  held.release()
  await refreshing
  await eventually(() => view.value.state === 'failed', { what: "that it is not bob's" })
  shop.session.switchTo('ada')
  await eventually(() => view.value.state === 'ready', { what: 'it to be hers again' })
  shop.session.leave()
  t.match(view.value, { state: 'loading' })
})
