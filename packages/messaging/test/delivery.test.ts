import t from 'tap'
import { deliverySuite } from './delivery-suite.ts'
import { till } from './support/till.ts'

deliverySuite(t, 'till', till)
