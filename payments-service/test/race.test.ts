/** Sixty-four clients on one account, over real sockets, while its orders come in: the ledger explains every answer. */
import type { AddressInfo } from 'node:net'
import { rawRequest } from '@checkout/testkit/bad-requests.ts'
import { contents } from '@checkout/testkit/database.ts'
import t from 'tap'
import { orderOf, paymentsApp } from './app.ts'

const CLIENTS = 64
const ROUNDS = 12

interface Entry {
  id: string
  number: number
  kind: 'deposit' | 'withdrawal' | 'debit'
  amount: number
  balance_after: number
  order_id: string | null
}

t.test('deposits, withdrawals and orders at once', async (t) => {
  const payments = await paymentsApp(t)
  await payments.open(0)
  await payments.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = payments.app.server.address() as AddressInfo
  const answers: { kind: string; amount: number; status: number; body: Record<string, unknown> | undefined }[] = []
  const orders: ReturnType<typeof orderOf>[] = []

  const move = async (kind: 'deposit' | 'withdrawal', amount: number) => {
    const headers = [
      ['X-User-Id', 'ada'],
      ['Content-Type', 'application/json'],
    ] as const
    const path = `/accounts/me/${kind}s`
    const { status, body } = await rawRequest({ port, method: 'POST', path, headers, body: `{"amount":${amount}}` })
    answers.push({ kind, amount, status, body })
  }
  const order = async (amount: number) => {
    const event = orderOf({ amount })
    orders.push(event)
    await Promise.all([payments.decide(event), payments.decide(event)]) // each delivered twice
  }
  // Amounts of mixed size against a small balance, so that some are refused and some only just fit.
  const client = async (i: number) => {
    for (let round = 0; round < ROUNDS; round++) {
      const amount = 1 + ((i * 37 + round * 101) % 500)
      const turn = (i + round) % 3
      if (turn === 0) await move('deposit', amount)
      else if (turn === 1) await move('withdrawal', amount)
      else await order(amount)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)))

  const entries = contents(payments.file).transactions as unknown as Entry[]
  entries.sort((a, b) => a.number - b.number)
  t.strictSame(
    entries.map(({ number }) => number),
    entries.map((_, i) => i + 1),
    'numbered without gaps',
  )
  let balance = 0
  const wrong: Entry[] = []
  for (const entry of entries) {
    balance += entry.kind === 'deposit' ? entry.amount : -entry.amount
    if (balance !== entry.balance_after || balance < 0) wrong.push(entry)
  }
  t.strictSame(wrong, [], 'each entry carries the sum so far, and none is below zero')
  t.equal(await payments.balance(), balance, 'the balance is the sum of the ledger')

  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const unexplained = answers.filter(({ kind, amount, status, body }) => {
    if (status === 409) return kind !== 'withdrawal' || body?.code !== 'insufficient_funds'
    const entry = byId.get(String(body?.id))
    return (
      status !== 201 || entry?.kind !== kind || entry.amount !== amount || entry.balance_after !== body?.balanceAfter
    )
  })
  t.strictSame(unexplained, [], 'every answer is in the ledger, every refusal is not')
  const accepted = answers.filter(({ status }) => status === 201)
  t.equal(accepted.length, entries.filter(({ kind }) => kind !== 'debit').length, 'and no entry without an answer')
  t.ok(accepted.length < answers.length, 'some were refused, so the race was one')

  const debits = new Map(entries.filter((e) => e.kind === 'debit').map((e) => [e.order_id, e]))
  const outcomes = new Map((await payments.emitted()).map((event) => [event.data.orderId, event]))
  t.equal(outcomes.size, orders.length, 'every order was decided')
  t.equal((await payments.emitted()).length, orders.length, 'once')
  const contradicted = orders.filter(({ data: { orderId, amount } }) => {
    const debit = debits.get(orderId)
    const outcome = outcomes.get(orderId)
    return outcome?.type === 'payments.succeeded.v1'
      ? debit?.id !== outcome.data.transactionId || debit?.amount !== amount
      : debit !== undefined || outcome?.data.reason !== 'insufficient_funds'
  })
  t.strictSame(contradicted, [], 'every outcome is in the ledger')
  t.ok(debits.size > 0 && debits.size < orders.length, 'some were paid, some declined')
})
