/** A program that appends 30 events and kills itself when they are published, before that is recorded. */
import { uuidv7 } from '@checkout/service/clock.ts'
import { openPublisherStore, patched, startLife } from './life.ts'
import { orderData } from './till.ts'

const [, , url = '', dir = ''] = process.argv
const store = openPublisherStore(dir)
await Promise.all(
  Array.from({ length: 30 }, () => {
    const orderId = uuidv7()
    return store.write((tx) => tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }))
  }),
)
await startLife({
  service: 'orders-service',
  url,
  store,
  handlers: {},
  wrap: (broker) =>
    patched(broker, {
      async publish(stream, messages, lastSeq) {
        await broker.publish(stream, messages, lastSeq)
        process.kill(process.pid, 'SIGKILL')
      },
    }),
})
