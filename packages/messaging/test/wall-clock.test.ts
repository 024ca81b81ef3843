/** The wall clock is set while the broker is used, and while it is away. */
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { HOUR_MS } from '@checkout/testkit/wall-clock.ts'
import t, { type Test } from 'tap'
import { steadyReconnect } from '../src/wall-clock.ts'
import { openPublisherStore, query, startLife, withStage } from './support/life.ts'
import { EFFECTS, openTill, orderData, tillFile, tillHandlers } from './support/till.ts'

t.setTimeout(300_000)

/** Shows how the wall clock is set while it runs. */
const platform = { ...createPlatform(), now: () => Date.now() }

/** Sets the wall clock of this process; of nothing else is Date asked in these tests. */
function wallClock(t: Test) {
  const real = Date.now
  t.teardown(() => {
    Date.now = real
  })
  return (ahead: number) => {
    Date.now = () => real() + ahead
  }
}

for (const hours of [-1, 1, -26, 26]) {
  t.test(`the clock is set by ${hours} h, then the broker restarts: everything goes on`, async (t) => {
    const set = wallClock(t)
    await withStage(t, async ({ dir, nats, atEnd }) => {
      const { url } = nats
      const publisher = await startLife({
        service: 'orders-service',
        url,
        store: openPublisherStore(dir),
        handlers: {},
        platform,
      })
      atEnd(publisher.stop)
      const till = await startLife({
        service: 'payments-service',
        url,
        store: openTill(dir),
        handlers: tillHandlers,
        platform,
      })
      atEnd(till.stop)
      let placed = 0
      const order = async () => {
        const orderId = platform.newId()
        placed += 1
        await publisher.store.write((tx) =>
          tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
        )
        await eventually(() => query(tillFile(dir), EFFECTS).length === placed, { what: `order ${placed} is rung up` })
      }
      await order()
      set(hours * HOUR_MS)
      await order()
      await nats.kill()
      await eventually(() => !publisher.broker.connected && !till.broker.connected, { what: 'both have noticed' })
      set(2 * hours * HOUR_MS)
      await nats.start()
      await eventually(() => publisher.broker.connected && till.broker.connected, { what: 'both are back' })
      await order()
    })
  })
}

t.test('attempts to reconnect are as far apart as told, without asking the wall clock', (t) => {
  const real = Date.now
  t.teardown(() => {
    Date.now = real
  })
  Date.now = () => {
    throw new Error('asked the wall clock')
  }
  const { reconnectDelayHandler, reconnectToServer } = steadyReconnect<{ lastConnect: number }>(60_000, platform)
  const server = { lastConnect: 1e15 }
  t.ok(server.lastConnect + reconnectDelayHandler() <= 0, 'never too early for the client')
  t.strictSame(reconnectToServer([server]), { server, delay: 0 }, 'the first one at once')
  const { delay } = reconnectToServer([server])
  t.ok(delay > 50_000 && delay <= 60_000, `${delay} ms`)
  t.ok(reconnectToServer([server]).delay > 110_000)
  t.end()
})
