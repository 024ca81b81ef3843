/** The sweeper among traffic: what is lost is asked for without a lull, and what only waits is not. */

import { createAnswers } from '@checkout/messaging/answers.ts'
import type { DurableState } from '@checkout/messaging/broker.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import t, { type Test } from 'tap'
import { settleOrder } from '../src/settle-order.ts'
import { sweeper } from '../src/sweep-pending.ts'
import { ada, arrival, ordersApp, outcomeOf } from './app.ts'

const ORDERS = 'of the questions'

/**
 * orders-service with a payments-service and two streams that do what the test says, one message at a time: `publish` puts
 * the outbox on the stream, `read` lets payments read questions, `handle` handles answers.
 */
async function underTraffic(t: Test) {
  const platform = createTestPlatform()
  const { app, store } = await ordersApp(t, { platform })
  const questions: string[] = []
  const outcomes: { orderId: string; lost: boolean }[] = []
  let published = 0
  let read = 0
  let handled = 0
  let asked = 0
  const state = (floor: number, delivered: number, end: number): DurableState => ({
    ackFloor: floor,
    delivered,
    pending: end - delivered,
    ackPending: delivered - floor,
    deliveries: delivered,
    marked: true,
  })
  const broker = {
    connected: true,
    stream: async () => ({ incarnation: ORDERS, firstSeq: 1, lastSeq: questions.length, bytes: 0, maxBytes: 0 }),
    // One is always being handled, when there is one.
    durable: async ({ subject }: { subject: string }) =>
      subject === 'orders.created.v1'
        ? state(read, Math.min(read + 1, questions.length), questions.length)
        : state(handled, Math.min(handled + 1, outcomes.length), outcomes.length),
  }
  const { counter } = await store.read.lease.current()
  await store.write(async (tx) => {
    await tx.outbox.restart(ORDERS)
    await tx.lease.take(counter)
  })
  const duty = sweeper({
    store,
    schedule: { now: () => store.read.ages.of('schedule') },
    logger: { info: () => {} } as never,
    messaging: {
      answers: (question, answers) => createAnswers({ question, answers, broker, outbox: store.read.outbox }),
    },
  })
  const lost = new Set<string>()
  const pass = (ms: number) => store.write((tx) => tx.ages.add('schedule', ms))

  async function publish(): Promise<void> {
    const rows = await store.read.outbox.take(published, 10_000)
    const [first, last] = [rows[0], rows.at(-1)]
    if (!first || !last) return
    for (const { type, correlationId } of rows) {
      if (type !== 'orders.created.v1')
        questions.push('') // somebody else's to read
      else questions.push(correlationId)
    }
    published = last.id
    const ids = { firstId: first.id, lastId: last.id, lastEventId: last.eventId }
    await store.write((tx) => tx.outbox.published({ ...ids, firstSeq: first.id, lastSeq: last.id }, 0))
  }

  return {
    pass,
    lost,
    asked: () => asked,
    unread: () => questions.length - read,
    waiting: () => outcomes.length - handled,
    async place(orders: number): Promise<string[]> {
      const payload = { amount: 149_900, description: 'Sun hat' }
      const answers = await Promise.all(
        Array.from({ length: orders }, () => app.inject({ method: 'POST', url: '/orders', headers: ada, payload })),
      )
      await publish()
      return answers.map((answer) => answer.json().id)
    },
    /** Payments reads up to so many questions, and answers. */
    read(upTo: number): void {
      for (let n = 0; n < upTo && read < questions.length; n += 1) {
        const orderId = questions[read] ?? ''
        read += 1
        if (orderId !== '') outcomes.push({ orderId, lost: lost.delete(orderId) })
      }
    },
    /** Orders handles up to so many answers; a lost one has no effect. */
    async handle(upTo: number): Promise<void> {
      const now = outcomes.slice(handled, handled + upTo).filter(({ lost }) => !lost)
      handled = Math.min(handled + upTo, outcomes.length)
      const settle = ({ orderId }: { orderId: string }) =>
        store.write((tx) => settleOrder(tx, outcomeOf(orderId), arrival(platform.now())))
      await Promise.all(now.map(settle))
      await publish()
    },
    /** A second passes, and the sweeper has its round. */
    async sweep(): Promise<void> {
      await pass(1_000)
      const before = published
      await duty.round(new AbortController().signal)
      const rows = await store.read.outbox.take(before, 10_000)
      asked += rows.filter(({ type }) => type === 'orders.created.v1').length
      await publish()
    },
    status: async (id: string) => (await app.inject({ url: `/orders/${id}`, headers: ada })).json().status as string,
  }
}

t.test(
  'an order whose outcome was lost is asked for and settled, while others never let the backlog be empty',
  async (t) => {
    const s = await underTraffic(t)
    const [id = ''] = await s.place(1)
    s.lost.add(id)
    let rounds = 0
    for (; rounds < 60 && (await s.status(id)) === 'pending'; rounds += 1) {
      await s.place(3)
      // All but the newest question, all but the newest answer.
      s.read(s.unread() - 1)
      await s.handle(s.waiting() - 1)
      t.ok(s.unread() > 0 && s.waiting() > 0, 'something waits on both ways')
      await s.sweep()
    }
    t.equal(await s.status(id), 'paid')
    t.ok(rounds < 50, `after ${rounds} s`)
    t.equal(s.asked(), 1, 'and nothing else was asked again')
  },
)

t.test('payments is away for an hour, and slow afterwards: nothing is asked again that only waits', async (t) => {
  const s = await underTraffic(t)
  const ids = await s.place(250)
  for (let second = 0; second < 3_600; second += 60) {
    await s.pass(59_000)
    await s.sweep()
  }
  t.equal(s.asked(), 0, 'their questions are unread')
  const lost = ids[100] ?? ''
  s.lost.add(lost)
  // It is back: reads faster than its answers are handled here.
  for (let n = 0; n < 60 && (s.unread() > 0 || s.waiting() > 0); n += 1) {
    s.read(40)
    await s.handle(9)
    await s.sweep()
  }
  t.equal(s.asked(), 1, 'but for the one that was lost')
  for (const id of ids) if ((await s.status(id)) !== 'paid') t.fail(`${id} is ${await s.status(id)}`)
})
