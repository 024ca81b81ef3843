/** Events in: subject → transaction. */
import type { Handlers } from '@checkout/messaging/handling.ts'
import { type DecisionTerms, decideOrder } from './decide-order.ts'
import { openAccountOf } from './open-account.ts'
import type { PaymentsTx } from './store/port.ts'

export const createHandlers = (terms: DecisionTerms): Handlers<PaymentsTx> => ({
  'orders.created.v1': (tx, event, arrival) => decideOrder(tx, event, arrival, terms),
  'users.registered.v1': (tx, event) => openAccountOf(tx, event, terms),
})
