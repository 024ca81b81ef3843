/** An order's money is debited exactly once, or declined for good, whatever is delivered how often. */
import { createPlatform } from '@checkout/kernel/platform.ts'
import { contents, execute } from '@checkout/testkit/database.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import t from 'tap'
import { ada, orderOf, paymentsApp } from './app.ts'

const machine = createPlatform()

t.test('a paid order', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(250)
  const order = orderOf()
  await payments.decide(order)
  t.equal(await payments.balance(), 150)
  const { items } = (await payments.app.inject({ url: '/accounts/me/transactions', headers: ada })).json()
  const { orderId } = order.data
  t.match(items[0], { kind: 'debit', amount: 100, balanceAfter: 150, orderId })
  t.match(await payments.emitted(), [
    {
      type: 'payments.succeeded.v1',
      correlationid: orderId,
      causationid: order.id,
      data: { orderId, userId: 'ada', amount: 100, transactionId: items[0].id },
    },
  ])
})

t.test('delivered again: one decision, one debit, the outcome at most once per ten seconds', async (t) => {
  const platform = createTestPlatform()
  const payments = await paymentsApp(t, { platform })
  await payments.open(250)
  const order = orderOf()
  const another = () => ({ ...order, id: machine.newId() })
  await Promise.all([order, order, another(), another()].map(payments.decide))
  t.equal((await payments.emitted()).length, 1, 'four at once: one answer')
  platform.advance(9_999)
  await payments.decide(order)
  t.equal((await payments.emitted()).length, 1, 'not yet ten seconds')
  platform.advance(1)
  await payments.decide(another())
  t.equal((await payments.emitted()).length, 1, 'nor while the answer waits to be published')
  await payments.publish()
  for (let i = 0; i < 5; i++) await payments.decide(i % 2 ? order : another())
  const [first, second, ...more] = await payments.emitted()
  t.strictSame([second.id, second.type, second.data], [first.id, first.type, first.data], 'the same event again')
  t.strictSame(more, [])
  await payments.publish()
  platform.advance(10_000)
  await payments.decide(another())
  t.equal((await payments.emitted()).length, 3)
  t.equal(await payments.balance(), 150)
  const { decisions, transactions } = contents(payments.file)
  t.strictSame([decisions?.length, transactions?.length], [1, 2])
})

t.test('a known order that says something else is refused, whichever came first', async (t) => {
  for (const [change, both] of [
    [{ amount: 40 }, /user ada, amount 100.*user ada, amount 40|user ada, amount 40.*user ada, amount 100/],
    [{ userId: 'bob' }, /user ada, amount 100.*user bob, amount 100|user bob, amount 100.*user ada, amount 100/],
  ] as const) {
    for (const swapped of [false, true]) {
      const platform = createTestPlatform()
      const payments = await paymentsApp(t, { platform })
      await payments.open(250)
      await payments.open(250, 'bob')
      const order = orderOf()
      const other = orderOf({ orderId: order.data.orderId, ...change })
      const [first, second] = swapped ? [other, order] : [order, other]
      await payments.decide(first)
      await payments.publish()
      platform.advance(60_000)
      const before = contents(payments.file)
      await t.rejects(payments.decide(second), both)
      t.strictSame(contents(payments.file), before, 'nothing changed, not even the inbox')
      await payments.decide({ ...first, id: machine.newId() })
      t.equal((await payments.emitted()).length, 2, 'the first one is answered again')
    }
  }
})

t.test('the clock was set back: a repeated question is still answered', async (t) => {
  const platform = createTestPlatform()
  const payments = await paymentsApp(t, { platform })
  await payments.open(250)
  const order = orderOf()
  await payments.decide(order)
  await payments.publish()
  platform.advance(-3_600_000)
  await payments.decide(order)
  t.equal((await payments.emitted()).length, 2)
  await payments.decide(order)
  t.equal((await payments.emitted()).length, 2, 'once per ten seconds of the new time')
  t.equal(await payments.balance(), 150)
})

t.test('a decline sticks, also after a top-up', async (t) => {
  const platform = createTestPlatform()
  const payments = await paymentsApp(t, { platform })
  await payments.open(99)
  const order = orderOf()
  await payments.decide(order)
  t.match(await payments.emitted(), [
    { type: 'payments.failed.v1', data: { reason: 'insufficient_funds', amount: 100 } },
  ])
  await payments.move('deposits', 1_000)
  await payments.publish()
  platform.advance(60_000)
  await payments.decide(order)
  await payments.decide({ ...order, id: machine.newId() })
  t.equal(await payments.balance(), 1_099)
  const [first, again, ...more] = await payments.emitted()
  t.strictSame([again.id, again.type, again.data], [first.id, first.type, first.data])
  t.strictSame(more, [])
  await payments.decide(orderOf())
  t.equal(await payments.balance(), 999, 'another order is paid')
})

t.test('who has no account', async (t) => {
  const payments = await paymentsApp(t)
  await payments.decide(orderOf({ userId: 'stranger' }))
  await payments.decide(orderOf({ userId: 'ada', userRegistered: true }))
  t.match(await payments.emitted(), [
    { data: { userId: 'stranger', reason: 'account_not_found' } },
    { data: { userId: 'ada', reason: 'insufficient_funds' } },
  ])
  t.equal(await payments.balance(), 0, 'the registered user’s account was opened on the way')
  t.equal(await payments.balance('stranger'), undefined, 'the stranger’s was not')
})

t.test('the last kopeck', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(100)
  await Promise.all([orderOf(), orderOf(), orderOf()].map(payments.decide))
  t.equal(await payments.balance(), 0)
  const types = (await payments.emitted()).map(({ type }) => type)
  t.strictSame(types.sort(), ['payments.failed.v1', 'payments.failed.v1', 'payments.succeeded.v1'])
})

t.test('the keys hold by themselves', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(1_000)
  await payments.decide(orderOf())
  const copy = (number: number) =>
    `INSERT INTO transactions SELECT 'x', user_id, ${number}, kind, amount, balance_after, order_id, 0
     FROM transactions WHERE kind = 'debit'`
  t.throws(() => execute(payments.file, copy(9)), /UNIQUE.*order_id/, 'no second debit of an order')
  t.throws(() => execute(payments.file, copy(2)), /UNIQUE/, 'no second entry of a number')
  t.throws(() => execute(payments.file, 'INSERT INTO decisions SELECT * FROM decisions'), /UNIQUE.*order_id/)
})

t.test('the journey, also when the outbox has forgotten it', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(100)
  const paid = orderOf()
  const declined = orderOf()
  await payments.decide(paid)
  await payments.decide(declined)
  const steps = async ({ data }: typeof paid) => {
    const { app } = payments
    const journey = (await app.inject({ url: `/journeys/payments/${data.orderId}`, headers: ada })).json()
    return journey.steps.map(({ step }: { step: string }) => step).sort()
  }
  t.strictSame(await steps(paid), ['debit', 'decision', 'inbox', 'outbox'])
  execute(payments.file, 'DELETE FROM outbox; DELETE FROM inbox')
  t.strictSame(await steps(paid), ['debit', 'decision', 'inbox'])
  t.strictSame(await steps(declined), ['decision', 'inbox'])
})
