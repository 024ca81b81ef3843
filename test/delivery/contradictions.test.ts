/** An event that contradicts what is stored becomes a dead letter at once, with both versions; money and letters stay. */
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { openPublisherStore, startLife, withStage } from '../../packages/messaging/test/support/life.ts'
import { createHandlers } from '../../payments-service/src/messages.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'

const machine = createPlatform()

t.test('the same order with another amount, through the broker', async (t) => {
  await withStage(t, async ({ dir, nats, atEnd }) => {
    const { url } = nats
    const terms = { platform: machine, currency: 'RUB' }
    const publisher = await startLife({ service: 'orders-service', url, store: openPublisherStore(dir), handlers: {} })
    atEnd(publisher.stop)
    const store = openPaymentsStore({ ...terms, dataDir: dir })
    const life = await startLife({ service: 'payments-service', url, store, handlers: createHandlers(terms) })
    atEnd(life.stop)
    const order = {
      orderId: machine.newId(),
      userId: 'ada',
      userRegistered: true,
      currency: 'RUB',
      description: 'a hat',
    }
    await publisher.store.write(async (tx) => {
      for (const amount of [100, 40]) {
        await tx.outbox.append('orders.created.v1', { ...order, amount }, { correlationId: order.orderId })
      }
    })
    await eventually(async () => (await store.read.deadLetters.count()) === 1, { what: 'a dead letter' })
    const [letter] = await store.read.deadLetters.list(Number.MAX_SAFE_INTEGER, 10)
    t.match(letter?.error, /was decided \(declined\) as user ada, amount 100.*says user ada, amount 40/)
    t.equal(letter?.attempts, 1, 'no retry decides which is true')
    t.equal((await store.read.outbox.take(0, 10)).length, 1, 'one answer')
  })
})
