/** The delivery suite on payments-service: each order is debited once, whatever happens to its event. */
import { join } from 'node:path'
import { systemClock, uuidv7 } from '@checkout/service/clock.ts'
import t from 'tap'
import { type ConsumerUnderTest, deliverySuite } from '../../packages/messaging/test/delivery-suite.ts'
import { createHandlers } from '../../payments-service/src/messages.ts'
import { moveMoney } from '../../payments-service/src/move-money.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'
import type { PaymentsTx } from '../../payments-service/src/store/port.ts'

const terms = { clock: systemClock, newId: uuidv7, currency: 'RUB' }
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
  file: (dir) => join(dir, 'payments.sqlite'),
  open: (dataDir) => openPaymentsStore({ ...terms, dataDir }),
  handlers: createHandlers(terms),
  async prepare(tx, orderIds) {
    await tx.accounts.open('ada', 'RUB', systemClock.now())
    const deposit = {
      kind: 'deposit',
      userId: 'ada',
      amount: PRICE * orderIds.length,
      idempotencyKey: undefined,
    } as const
    await moveMoney(tx, deposit, terms)
  },
  effects: `SELECT order_id AS key, count(*) AS times FROM transactions WHERE kind = 'debit' GROUP BY order_id`,
  // A balance that is not the sum of its entries; a decision that is not what was debited.
  disorder: `
    SELECT user_id FROM accounts WHERE balance <> (
      SELECT sum(CASE kind WHEN 'deposit' THEN amount ELSE -amount END) FROM transactions
        WHERE transactions.user_id = accounts.user_id)
    UNION ALL
    SELECT order_id FROM decisions WHERE outcome <> 'paid' OR order_id NOT IN (
      SELECT order_id FROM transactions WHERE order_id IS NOT NULL)`,
}

deliverySuite(t, 'payments', payments)
