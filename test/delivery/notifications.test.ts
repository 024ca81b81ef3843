/** The delivery suite on notifications-service: each order's letter is written once, numbered without gaps. */
import { sentence } from '@checkout/audit/laws.ts'
import { auditBooks } from '@checkout/audit/postgres.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import t from 'tap'
import { createHandlers } from '../../notifications-service/src/messages.ts'
import { openNotificationsStore } from '../../notifications-service/src/store/index.ts'
import type { NotificationsTx } from '../../notifications-service/src/store/port.ts'
import { type ConsumerUnderTest, deliverySuite } from '../../packages/messaging/test/delivery-suite.ts'

const machine = createPlatform()

const terms = { platform: machine, mailing: false }

const notifications: ConsumerUnderTest<NotificationsTx, 'orders.paid.v1'> = {
  service: 'notifications-service',
  type: 'orders.paid.v1',
  data: (orderId) => ({ orderId, userId: 'ada', amount: 100, currency: 'RUB', description: 'a sun hat' }),
  name: 'notifications',
  open: ({ options }) => openNotificationsStore({ ...options, platform: machine }),
  handlers: createHandlers(terms),
  effects: `SELECT order_id AS key, count(*) AS times FROM letters WHERE kind = 'order_paid' GROUP BY order_id`,
  disorder: async (stores) => (await auditBooks(stores.options, ['notifications'])).map(sentence),
}

deliverySuite(t, 'notifications', notifications)
