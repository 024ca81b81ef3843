/** Events in: subject → transaction. */
import type { Handlers } from '@checkout/messaging/handling.ts'
import { settleOrder } from './settle-order.ts'
import type { OrdersTx } from './store/port.ts'

export const handlers: Handlers<OrdersTx> = {
  'payments.succeeded.v1': settleOrder,
  'payments.failed.v1': settleOrder,
}
