/** The delivery suite on payments-service: each order is debited once, whatever happens to its event. */
import { sentence } from '@checkout/audit/laws.ts'
import { auditBooks } from '@checkout/audit/postgres.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import t from 'tap'
import { type ConsumerUnderTest, deliverySuite } from '../../packages/messaging/test/delivery-suite.ts'
import { createHandlers } from '../../payments-service/src/messages.ts'
import { moveMoney } from '../../payments-service/src/move-money.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'
import type { PaymentsTx } from '../../payments-service/src/store/port.ts'

const machine = createPlatform()

const terms = { platform: machine, currency: 'RUB' }
const PRICE = 100

const payments: ConsumerUnderTest<PaymentsTx, 'orders.created.v1'> = {
  service: 'payments-service',
  type: 'orders.created.v1',
  data: (orderId) => ({
    orderId,
    userId: 'ada',
    userRegistered: true,
    amount: PRICE,
    currency: 'RUB',
    description: 'a sun hat',
  }),
  name: 'payments',
  open: ({ options }) => openPaymentsStore({ ...options, platform: machine }),
  handlers: createHandlers(terms),
  async prepare(tx, orderIds) {
    await tx.accounts.open('ada', 'RUB', machine.now())
    const deposit = {
      kind: 'deposit',
      userId: 'ada',
      amount: PRICE * orderIds.length,
      idempotencyKey: undefined,
    } as const
    await moveMoney(tx, deposit, terms)
  },
  effects: `SELECT order_id AS key, count(*) AS times FROM transactions WHERE kind = 'debit' GROUP BY order_id`,
  disorder: async (stores) => (await auditBooks(stores.options, ['payments'])).map(sentence),
}

deliverySuite(t, 'payments', payments)
