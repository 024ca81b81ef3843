/** Money in and out: keys, the ledger, its order. */

import { execute } from '@checkout/testkit/database.ts'
import t from 'tap'
import { openAccountOf } from '../src/open-account.ts'
import { ada, bob, orderOf, type Payments, paymentsApp } from './app.ts'

const ledger = async ({ app }: Payments, query = 'limit=100') =>
  (await app.inject({ url: `/accounts/me/transactions?${query}`, headers: ada })).json()

t.test('an idempotency key: one effect, one answer, per user and route', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(0)
  await payments.open(0, 'bob')
  const key = { ...ada, 'idempotency-key': 'k' }
  const refusal = await payments.move('withdrawals', 10, key)
  t.equal(refusal.json().code, 'insufficient_funds')
  const first = await payments.move('deposits', 10, key)
  t.equal(first.headers['idempotency-replayed'], undefined)
  const again = await payments.move('deposits', '1e1', key)
  t.strictSame([again.statusCode, again.body, again.headers['idempotency-replayed']], [201, first.body, 'true'])
  t.equal((await payments.move('deposits', 11, key)).json().code, 'idempotency_key_reused')
  t.match((await payments.move('withdrawals', 10, key)).json(), { balanceAfter: 0 }, 'the refusal left no key')
  t.match((await payments.move('deposits', 10, { ...bob, 'idempotency-key': 'k' })).json(), { balanceAfter: 10 })
  const race = await Promise.all(
    Array.from({ length: 50 }, () => payments.move('deposits', 3, { ...ada, 'idempotency-key': 'race' })),
  )
  t.equal(new Set(race.map(({ statusCode, body }) => `${statusCode} ${body}`)).size, 1)
  t.equal(race.filter(({ headers }) => headers['idempotency-replayed'] === undefined).length, 1, 'one was the first')
  t.equal(await payments.balance(), 3)
  t.equal((await ledger(payments)).items.length, 3)
})

t.test('a racing key with two bodies: one wins, the others are told', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(0)
  const key = { ...ada, 'idempotency-key': 'race' }
  const race = await Promise.all(Array.from({ length: 40 }, (_, i) => payments.move('deposits', 1 + (i % 2), key)))
  t.strictSame(new Set(race.map(({ statusCode }) => statusCode)), new Set([201, 422]))
  const winners = race.filter(({ statusCode }) => statusCode === 201)
  t.equal(winners.length, 20)
  t.equal(await payments.balance(), winners[0]?.json().amount)
})

t.test('the ledger is newest first, steady while entries come in, and append-only', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(0)
  const ids: string[] = []
  for (let i = 1; i <= 25; i++) ids.unshift((await payments.move('deposits', i)).json().id)
  t.equal((await ledger(payments, '')).items.length, 20, 'the default limit')
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: { id: string }[]; next: string | null } = await ledger(
      payments,
      `limit=7${cursor && `&cursor=${cursor}`}`,
    )
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.next
    await payments.move('deposits', 1)
  }
  t.strictSame(seen, ids)

  const before = await ledger(payments)
  for (const sql of [
    'UPDATE transactions SET amount = 1',
    'DELETE FROM transactions',
    'UPDATE transactions SET created_at = 0 WHERE number = 1',
  ]) {
    t.throws(() => execute(payments.file, sql), /append-only/, sql)
  }
  for (const sql of ['UPDATE accounts SET balance = -1', 'UPDATE accounts SET balance = 9007199254740992']) {
    t.throws(() => execute(payments.file, sql), /CHECK/, sql)
  }
  t.strictSame(await ledger(payments), before)
})

t.test('registration opens an account, and leaves one alone that is there', async (t) => {
  const payments = await paymentsApp(t)
  const { store } = payments
  const registered = (userId: string) => ({
    ...orderOf(),
    type: 'users.registered.v1' as const,
    data: { userId, name: 'Ada', email: 'ada@example.com' },
  })
  const terms = { platform: { now: () => 5 }, currency: 'RUB' } as Parameters<typeof openAccountOf>[2]
  await store.write((tx) => openAccountOf(tx, registered('ada'), terms))
  t.equal(await payments.balance(), 0)
  await payments.move('deposits', 10)
  await store.write((tx) => openAccountOf(tx, registered('ada'), terms))
  t.equal(await payments.balance(), 10)
  const second = await payments.app.inject({ method: 'POST', url: '/accounts', headers: ada })
  t.equal(second.json().code, 'account_exists')
})
