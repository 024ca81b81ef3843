import t from 'tap'
import { type ConsumerUnderTest, deliverySuite } from './delivery-suite.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile, tillHandlers } from './support/till.ts'

const till: ConsumerUnderTest<TillTx> = {
  service: 'payments-service',
  type: 'orders.created.v1',
  data: orderData,
  file: tillFile,
  open: (dir) => openTill(dir),
  handlers: tillHandlers,
  effects: EFFECTS,
}

deliverySuite(t, 'till', till)
