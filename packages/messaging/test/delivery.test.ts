import t from 'tap'
import { type ConsumerUnderTest, deliverySuite } from './delivery-suite.ts'
import { EFFECTS, openTillIn, orderData, type TillTx, tillHandlers } from './support/till.ts'

const till: ConsumerUnderTest<TillTx> = {
  service: 'payments-service',
  type: 'orders.created.v1',
  data: orderData,
  name: 'till',
  open: (stores) => openTillIn(stores.database('till')),
  handlers: tillHandlers,
  effects: EFFECTS,
}

deliverySuite(t, 'till', till)
