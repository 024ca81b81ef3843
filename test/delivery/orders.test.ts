/** The delivery suite on orders-service: each order becomes paid, and says so, once. */
import { sentence } from '@checkout/audit/laws.ts'
import { auditBooks } from '@checkout/audit/postgres.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import t from 'tap'
import { handlers } from '../../orders-service/src/messages.ts'
import { openOrdersStore } from '../../orders-service/src/store/index.ts'
import type { OrdersTx } from '../../orders-service/src/store/port.ts'
import { type ConsumerUnderTest, deliverySuite } from '../../packages/messaging/test/delivery-suite.ts'

const machine = createPlatform()

const orders: ConsumerUnderTest<OrdersTx, 'payments.succeeded.v1'> = {
  service: 'orders-service',
  type: 'payments.succeeded.v1',
  data: (orderId) => ({ orderId, userId: 'ada', amount: 100, transactionId: orderId }),
  name: 'orders',
  open: ({ options }) => openOrdersStore({ ...options, platform: machine }),
  handlers,
  async prepare(tx, orderIds) {
    const createdAt = machine.now()
    for (const id of orderIds) {
      await tx.orders.add({
        id,
        userId: 'ada',
        amount: 100,
        currency: 'RUB',
        description: 'a sun hat',
        createdAt,
        userRegistered: true,
        createdEventId: machine.newId(),
        sweepAfter: 600_000,
      })
    }
  },
  effects: `SELECT correlation_id AS key, count(*) AS times FROM outbox WHERE type = 'orders.paid.v1' GROUP BY 1`,
  disorder: async (stores) => (await auditBooks(stores.options, ['orders'])).map(sentence),
}

deliverySuite(t, 'orders', orders)
