import type { LedgerEntry, Letter, Order, OrderStatus } from '@checkout/contracts/http.ts'
import t from 'tap'
import { percentiles } from '../cell.ts'
import { compareDeposits, compareOrders } from '../claims.ts'
import { type Gauge, judge } from '../gauges.ts'
import { unsettled } from '../readback.ts'
import { newUser } from '../users.ts'

const order = (id: string, amount: number, status: OrderStatus) => ({ id, amount, status }) as Order
const letter = (orderId: string) => ({ id: `letter-${orderId}`, orderId }) as Letter

const tooMuch = 1_000_000_000_000
const orders = [order('a', 100, 'paid'), order('b', tooMuch, 'failed')]

t.test('a settled order is terminal and has its letter', async (t) => {
  const letters = [letter('a'), letter('b')]
  t.same(unsettled(orders, letters), [])
  t.same(unsettled([order('a', 100, 'pending')], letters), [order('a', 100, 'pending')])
  t.same(unsettled(orders, [letter('a')]), [orders[1]])
})

t.test('what a user was told: each difference is named', async (t) => {
  const ada = { ...newUser('ada'), accepted: ['a', 'b'], deposited: 1_000 }
  t.same(compareOrders(ada, orders), [])
  t.match(compareOrders(ada, [order('a', 100, 'paid')]), [/order b was accepted and is not listed/])
  t.match(compareOrders(ada, [order('a', 100, 'pending'), orders[1] as Order]), [/order a is pending, not paid/])
  t.match(compareOrders(ada, [order('a', 100, 'paid'), order('b', tooMuch, 'paid')]), [/order b is paid, not failed/])
  const entries = [{ kind: 'debit', amount: 100 } as LedgerEntry, { kind: 'deposit', amount: 1_000 } as LedgerEntry]
  t.same(compareDeposits(ada, entries), [])
  t.match(compareDeposits({ ...ada, deposited: 2_000 }, entries), [/2000 was paid in, the entries say 1000/])
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
