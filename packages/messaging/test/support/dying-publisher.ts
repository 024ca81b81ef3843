/**
 * A program that appends 30 events to publish, and kills itself right after the call of the broker that it is told: before
 * the file knows what has come of it.
 */
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Broker } from '../../src/broker.ts'
import { openPublisherStore, patched, startLife } from './life.ts'
import { orderData } from './till.ts'

const machine = createPlatform()

export type LastCall = 'publish' | 'deleteStream' | 'createStream' | 'createDurable'

const [, , url = '', dir = '', lastCall = ''] = process.argv
const store = openPublisherStore(dir)
await Promise.all(
  Array.from({ length: 30 }, () => {
    const orderId = machine.newId()
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
      [lastCall]: async (...given: unknown[]) => {
        await (broker[lastCall as LastCall] as (...given: unknown[]) => Promise<unknown>)(...given)
        process.kill(process.pid, 'SIGKILL')
      },
    } as Partial<Broker>),
})
