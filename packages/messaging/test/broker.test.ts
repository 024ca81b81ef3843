/** The connection to a broker that stands still or is not there, and what waits on the way of events. */

import { createPlatform } from '@checkout/kernel/platform.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import type { Delivery } from '../src/broker.ts'
import { createJetStreamBroker } from '../src/jetstream.ts'
import { onEachDelivery } from './delivery-suite.ts'
import { openPublisherStore, query, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

t.test('a broker that stands still is noticed; when it goes on, so does everything', async (t) => {
  await withStage(t, async (stage) => {
    const { dir, nats, atEnd } = stage
    const { url } = nats
    const publisher = await startLife({ service: 'orders-service', url, store: openPublisherStore(dir), handlers: {} })
    atEnd(publisher.stop)
    const till = await startLife({
      service: 'payments-service',
      url,
      store: openTill(dir),
      handlers: tillHandlers,
    })
    atEnd(till.stop)
    const emit = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => {
          const orderId = machine.newId()
          return publisher.store.write((tx) =>
            tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
          )
        }),
      )
    const effects = () => query<{ times: number }>(tillFile(dir), EFFECTS)
    await emit(20)
    await eventually(() => effects().length === 20, { what: 'the first effects' })
    nats.pause()
    await emit(20)
    await eventually(() => !publisher.broker.connected && !till.broker.connected, { what: 'both notice' })
    t.equal(await publisher.messaging.backlogsEmpty(['orders.created.v1']), false, 'a backlog')
    await emit(20)
    t.equal(effects().length, 20)
    nats.resume()
    await eventually(() => effects().length === 60, { what: 'all effects' })
    await eventually(() => publisher.messaging.backlogsEmpty(['orders.created.v1']), { what: 'nothing left' })
    t.ok(
      effects().every(({ times }) => times === 1),
      'once',
    )
  })
})

t.test('backlogsEmpty: not while anything waits in the outbox or at a durable of these events', async (t) => {
  await withStage(t, async (stage) => {
    const { dir, nats, atEnd } = stage
    const { url } = nats
    const publisher = await startLife({ service: 'orders-service', url, store: openPublisherStore(dir), handlers: {} })
    atEnd(publisher.stop)
    const { outbox } = publisher.store.read
    const empty = () => publisher.messaging.backlogsEmpty(['orders.created.v1'])
    await eventually(empty, { what: 'nothing to do' })
    const orderId = machine.newId()
    await publisher.store.write((tx) =>
      tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
    )
    t.equal(await empty(), false, 'it waits in the outbox')
    await eventually(async () => (await outbox.backlog()).rows === 0, { what: 'published' })
    t.equal(await empty(), false, 'it waits at the durable')
    t.equal(await publisher.messaging.backlogsEmpty(['orders.paid.v1']), true, 'which is not on the way of others')

    const held: Delivery[] = []
    const till = await startLife({
      service: 'payments-service',
      url,
      store: openTill(dir),
      handlers: tillHandlers,
      wrap: (broker) => onEachDelivery(broker, (delivery) => void held.push(delivery)),
    })
    atEnd(till.stop)
    await eventually(() => held.length > 0, { what: 'a delivery' })
    t.equal(await empty(), false, 'it is delivered and not acknowledged')
    for (const delivery of held) delivery.ack()
    await eventually(empty, { what: 'empty' })
    const raw = await connectRaw(stage)
    await raw.jsm.consumers.delete('ORDERS', 'payments-service_orders-created-v1')
    t.equal(await empty(), false, 'a missing durable is not an empty one')
    await nats.kill()
    await eventually(() => !publisher.broker.connected, { what: 'the loss is noticed' })
    t.equal(await empty(), false, 'nobody knows')
  })
})

t.test('close while the broker was never there: connect gives up, nothing is left', async (t) => {
  await withStage(t, async ({ nats }) => {
    await nats.kill()
    const broker = createJetStreamBroker({
      url: nats.url,
      name: 'early',
      streamMaxBytes: 2 ** 20,
      platform: machine,
      deployment: TEST_SYSTEM,
    })
    let ended = false
    const connecting = broker.connect().finally(() => {
      ended = true
    })
    await broker.close()
    const gaveUp = await eventually(() => ended, { what: 'connect gives up' }).catch(() => false)
    t.ok(gaveUp, 'connect gives up')
    if (!gaveUp) await nats.start() // so that this test ends
    await connecting.catch(() => undefined)
  })
})
