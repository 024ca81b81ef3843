import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { memory, openShop, type StageOptions } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

async function open(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  if (!server.world.users.has('ada')) server.addUser('ada', 10_000)
  const storage = options.storage ?? memory()
  const opened = openShop(t, { origin: server.origin, ...options, storage })
  if (!opened.shop.session.current.value) await opened.shop.session.enter('ada')
  const { account, entries } = opened.shop.account
  const balance = () => (account.value?.state === 'ready' ? account.value.value.balance : undefined)
  await eventually(() => balance() !== undefined && entries.state.value === 'ready', { what: 'the account' })
  return { ...opened, storage, balance }
}
const keysOf = (server: ShopServer) => server.asked.flatMap(({ headers }) => headers['idempotency-key'] ?? [])

t.test('balance, top-up, withdrawal', async (t) => {
  const server = await createShopServer(t)
  const { shop, balance } = await open(t, server)
  t.equal(shop.account.currency.value, 'RUB')
  t.same(shop.account.entries.items.value, [])
  t.match(await shop.account.deposit('1 000,50'), { ok: true })
  await eventually(() => balance() === 110_050, { what: 'the balance' })
  t.match(await shop.account.withdraw('0.50'), { ok: true })
  await eventually(() => balance() === 110_000, { what: 'the balance' })
  await eventually(() => shop.account.entries.items.value.length === 2, { what: 'the ledger' })
  t.match(shop.account.entries.items.value, [
    { kind: 'withdrawal', amount: 50, balanceAfter: 110_000 },
    { kind: 'deposit', amount: 100_050, balanceAfter: 110_050 },
  ])
  t.equal(new Set(keysOf(server)).size, 2)
})

t.test('what cannot be moved', async (t) => {
  const server = await createShopServer(t)
  const { shop, balance } = await open(t, server)
  t.match(await shop.account.deposit('0'), { ok: false, problem: { fields: { '/amount': 'must be at least 0.01' } } })
  t.match(await shop.account.withdraw(''), { ok: false, problem: { fields: { '/amount': 'must not be empty' } } })
  t.same(keysOf(server), [])
  t.match(await shop.account.withdraw('1000'), { ok: false, problem: { status: 409, code: 'insufficient_funds' } })
  t.equal(shop.account.attempt.value, undefined)
  t.equal(balance(), 10_000)
})

t.test('a top-up without an answer is made once', async (t) => {
  const server = await createShopServer(t)
  const tab = memory()
  const { shop, storage, balance } = await open(t, server, { tab })
  // It arrives and takes effect; only the answer is lost.
  const held = server.hold('POST /accounts/me/deposits')
  const depositing = shop.account.deposit('5')
  await eventually(() => held.waiting(), { what: 'the deposit' })
  t.match(shop.account.attempt.value, { kind: 'deposit', amount: 500, state: 'sending' })
  shop.stop()
  t.match(await depositing, { ok: false })
  held.release()

  const again = await open(t, server, { tab, storage })
  await eventually(() => storage.getItem('checkout.movements.unanswered:ada') === null, { what: 'the answer' })
  await eventually(() => again.balance() === 10_500, { what: 'the balance' })
  t.equal(new Set(keysOf(server)).size, 1)
  t.equal(balance(), undefined, 'the page that went shows nothing any more')

  const done = server.intercept(({ method }) => (method === 'POST' ? 'cut' : undefined))
  t.match(await again.shop.account.withdraw('1'), { ok: false, problem: { code: 'no_answer' } })
  t.match(again.shop.account.attempt.value, { kind: 'withdrawal', amount: 100, state: 'unanswered' })
  t.match(await again.shop.account.deposit('1'), { ok: false, problem: { code: 'attempt_pending' } })
  done()
  t.match(await again.shop.account.retry(), { ok: true })
  await eventually(() => again.balance() === 10_400, { what: 'the balance' })
  again.shop.account.abandon()
  t.equal(again.shop.account.attempt.value, undefined)
})

t.test('an account that is still being opened', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 7)
  const account = server.world.accounts.get('ada')
  server.world.accounts.delete('ada')
  const { shop, advance } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  const asked = (n: number) => eventually(() => server.count('GET /accounts/me') >= n, { what: `question ${n}` })
  await asked(1)
  for (let i = 2; i <= 5; i++) {
    await eventually(
      async () => {
        await advance(50)
        return server.count('GET /accounts/me') >= i
      },
      { what: 'the next question' },
    )
    t.same(shop.account.account.value, { state: 'loading' })
  }
  t.equal(shop.account.entries.state.value, 'idle', 'the ledger is not asked for before')
  if (account) server.world.accounts.set('ada', account)
  await eventually(
    async () => {
      await advance(50)
      return shop.account.account.value?.state === 'ready'
    },
    { what: 'the account' },
  )
  await eventually(() => shop.account.entries.state.value === 'ready', { what: 'the ledger' })
  const questions = server.count('GET /accounts/me')
  await advance(60_000)
  t.equal(server.count('GET /accounts/me'), questions, 'then nobody asks any more')
})

t.test('an account that does not open', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const account = server.world.accounts.get('ada')
  server.world.accounts.delete('ada')
  const { shop, advance } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  await eventually(
    async () => {
      await advance(1_000)
      return shop.account.account.value?.state === 'failed'
    },
    { what: 'the patience to end' },
  )
  t.match(shop.account.account.value, { problem: { code: 'account_not_found' } })
  if (account) server.world.accounts.set('ada', account)
  await eventually(
    async () => {
      await advance(1_000)
      return shop.account.account.value?.state === 'ready'
    },
    { what: 'that it asks on' },
  )
})

t.test('a service that is down, and comes back', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada', 5)
  const done = server.intercept(({ path }) =>
    path === '/accounts/me' ? problem(502, 'upstream_unavailable') : undefined,
  )
  const { shop } = openShop(t, { origin: server.origin })
  await shop.session.enter('ada')
  await eventually(() => shop.account.account.value?.state === 'failed', { what: 'the failure' })
  done()
  await shop.account.refresh()
  t.match(shop.account.account.value, { state: 'ready', value: { balance: 5 } })
  server.intercept(({ path }) => (path === '/accounts/me' ? 'cut' : undefined))
  await shop.account.refresh()
  t.match(shop.account.account.value, { state: 'ready' }, 'a value that was read is not taken away')
})

t.test('a balance read before a movement does not come back behind it', async (t) => {
  const server = await createShopServer(t)
  const { shop, balance } = await open(t, server)
  const seen: (number | undefined)[] = []
  shop.account.account.subscribe(() => seen.push(balance()))
  const held = server.hold('GET /accounts/me')
  const refreshing = shop.account.refresh()
  await eventually(() => held.waiting(), { what: 'the old balance to be read' })
  t.match(await shop.account.deposit('1'), { ok: true })
  held.release()
  await refreshing
  await eventually(() => balance() === 10_100, { what: 'the new balance' })
  t.same([...new Set(seen)], [10_000, 10_100])
})

t.test('another user’s answers are dropped', async (t) => {
  const server = await createShopServer(t)
  server.addUser('bob', 20)
  const { shop, balance } = await open(t, server)
  const held = server.hold('GET /accounts/me', 'ada')
  const refreshing = shop.account.refresh()
  await eventually(() => held.waiting(), { what: "ada's request" })
  const states: unknown[] = []
  shop.account.account.subscribe((account) => states.push(account?.state))
  await shop.session.enter('bob')
  await eventually(() => balance() === 20, { what: "bob's balance" })
  held.release()
  await refreshing
  t.equal(balance(), 20)
  t.same(states, ['ready', 'loading', 'ready'], 'nor does the end of her request fail for him')
  t.ok(
    server.asked
      .filter(({ path }) => path === '/accounts/me')
      .every(({ userId }) => userId === 'ada' || userId === 'bob'),
  )
  shop.session.leave()
  t.equal(shop.account.account.value, undefined)
})

t.test('a currency without fractions', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  server.world.accounts.set('ada', { userId: 'ada', balance: 0, currency: 'JPY', createdAt: '' })
  const { shop, balance, storage } = await open(t, server)
  t.match(await shop.account.deposit('1,499'), { ok: true })
  await eventually(() => balance() === 1_499, { what: 'the balance' })
  t.match(await shop.account.deposit('1.5'), {
    ok: false,
    problem: { fields: { '/amount': 'must be a whole number' } },
  })
  t.equal(openShop(t, { origin: server.origin, storage: memory() }).shop.account.currency.value, 'RUB')
  for (const nonsense of ['*(', 'ABC']) {
    storage.setItem('checkout.currency', JSON.stringify(nonsense))
    t.equal(openShop(t, { origin: server.origin, storage }).shop.account.currency.value, 'RUB', 'nonsense is none')
  }
  storage.setItem('checkout.currency', '"JPY"')
  const later = openShop(t, { origin: server.origin, storage })
  t.equal(later.shop.account.currency.value, 'JPY', 'shown from the start next time')
})

t.test('switched before it was sent: nobody else’s money is moved', async (t) => {
  const server = await createShopServer(t)
  for (const id of ['ada', 'bob']) server.addUser(id, 100)
  const { shop } = openShop(t, { origin: server.origin })
  const held = server.hold('GET /accounts/me')
  await shop.session.enter('bob')
  await shop.session.enter('ada')
  const depositing = shop.account.deposit('5') // waits for the currency
  await eventually(() => held.waiting(), { what: 'the account to be asked for' })
  shop.session.switchTo('bob')
  held.release()
  t.match(await depositing, { ok: false, problem: { code: 'no_user' } })
  t.same(keysOf(server), [])
})
