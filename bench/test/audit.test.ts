import type {
  Account,
  EntryKind,
  LedgerEntry,
  Letter,
  LetterKind,
  Order,
  OrderStatus,
} from '@checkout/contracts/http.ts'
import t from 'tap'
import { checkDebits, checkLedger, checkOrders, unsettled } from '../audit.ts'
import { percentiles } from '../cell.ts'
import { type Gauge, judge } from '../gauges.ts'

const at = '2026-11-22T10:00:00.000Z'
const order = (id: string, amount: number, status: OrderStatus) => ({ id, amount, status }) as unknown as Order
const letter = (orderId: string, kind: LetterKind) => ({ id: `letter-${orderId}`, orderId, kind }) as unknown as Letter
const account = (balance: number): Account => ({ userId: 'ada', balance, currency: 'RUB', createdAt: at })
const entry = (kind: EntryKind, amount: number, balanceAfter: number, orderId: string | null = null) =>
  ({ id: `${kind}-${balanceAfter}`, kind, amount, balanceAfter, orderId, createdAt: at }) as unknown as LedgerEntry

const tooMuch = 1_000_000_000_000
const orders = [order('a', 100, 'paid'), order('b', tooMuch, 'failed')]
const letters = [letter('a', 'order_paid'), letter('b', 'order_failed')]
const entries = [entry('debit', 100, 900, 'a'), entry('deposit', 1_000, 1_000)]

t.test('a settled order is terminal and has its letter', async (t) => {
  t.same(unsettled(orders, letters), [])
  t.same(unsettled([order('a', 100, 'pending')], letters), [order('a', 100, 'pending')])
  t.same(unsettled(orders, [letter('a', 'order_paid')]), [orders[1]])
})

t.test('orders: right ones pass, each kind of wrong one is named', async (t) => {
  const check = (o = orders, l = letters) => checkOrders('ada', ['a', 'b'], o, l)
  t.same(check(), [])
  t.match(check([order('a', 100, 'paid')], [letter('a', 'order_paid')]), [/order b was accepted and is not listed/])
  t.match(check([...orders, order('a', 100, 'paid')]), [/listed twice/])
  t.match(check([order('a', 100, 'pending'), orders[1] as Order]), [/order a is pending, not paid/])
  t.match(check([order('a', 100, 'paid'), order('b', tooMuch, 'paid')]), [/order b is paid, not failed/])
  t.match(check(orders, [...letters, letter('a', 'order_paid')]), [/order a has 2 letters/])
  t.match(check(orders, letters.slice(0, 1)), [/order b has 0 letters/])
  t.match(check(orders, [letter('a', 'order_failed'), letter('b', 'order_failed')]), [
    /order a has a letter order_failed/,
  ])
  t.match(check(orders, [...letters, letter('x', 'order_paid')]), [/about order x, which is not listed/])
})

t.test('ledger: the balance is the sum, every entry adds up, nothing below zero, all deposits there', async (t) => {
  t.same(checkLedger(account(900), entries, 1_000), [])
  t.match(checkLedger(account(901), entries, 1_000), [/the balance is 901, the entries sum up to 900/])
  t.match(checkLedger(account(900), [entry('debit', 100, 901, 'a'), entry('deposit', 1_000, 1_000)], 1_000), [
    /says 901/,
  ])
  t.match(checkLedger(account(-1), [entry('debit', 1, -1, 'a')], 0), [/below zero/])
  t.match(checkLedger(account(900), entries, 2_000), [/2000 was paid in, the entries say 1000/])
})

t.test('debits: one per paid order, of its amount, and none else', async (t) => {
  t.same(checkDebits('ada', orders, entries), [])
  t.match(checkDebits('ada', orders, []), [/order a is paid and has 0 debits, not 1/])
  t.match(checkDebits('ada', orders, [...entries, entry('debit', 100, 800, 'a')]), [/has 2 debits, not 1/])
  t.match(checkDebits('ada', orders, [...entries, entry('debit', tooMuch, 0, 'b')]), [/order b is failed and has 1/])
  t.match(checkDebits('ada', orders, [entry('debit', 99, 900, 'a')]), [/over 100 was debited 99/])
  t.match(checkDebits('ada', orders, [...entries, entry('debit', 1, 0, 'x')]), [/for order x, which is not listed/])
})

t.test('percentiles by nearest rank', async (t) => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.same(percentiles(values), { p50: 50, p95: 95, p99: 99 })
  t.same(percentiles([7]), { p50: 7, p95: 7, p99: 7 })
})

t.test('soak: a climbing gauge is growing, a saw is not, retained rows are judged late', async (t) => {
  const minutes = Array.from({ length: 61 }, (_, i) => i / 2)
  const gauge = (value: (minute: number) => number, judged: Gauge['judged'] = 'always'): Gauge[] => [
    { name: 'gauge', unit: 'MiB', floor: 1, judged, values: minutes.map(value) },
  ]
  const saw = (minute: number) => 100 + 10 * ((minute * 2) % 4)
  t.same(judge(gauge(saw), minutes), { growing: [], notJudged: [] })
  t.match(
    judge(
      gauge((minute) => 100 + 5 * minute),
      minutes,
    ).growing,
    [/gauge grew from 222.5 to 250.0 MiB/],
  )
  t.match(
    judge(
      gauge((minute) => 100 + 5 * minute, 'after retention'),
      minutes,
    ).growing,
    [/grew/],
  )
  const short = minutes.slice(0, 21)
  const early = judge(
    gauge((minute) => 100 + 5 * minute, 'after retention'),
    short,
  )
  t.match(early, { growing: [], notJudged: [/kept for 10 minutes by design.*gauge/] })
})
