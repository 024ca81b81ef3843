/**
 * Events as they were published, letter by letter. Add to this list, never change it: consumers must go on reading
 * whatever lies in an outbox, a stream or among the dead letters.
 */
const orderId = '019a2f4e-7c1b-7d3a-9b52-0d4f6c8e1a2b'
const order = { orderId, userId: 'ada', amount: 149_900, currency: 'RUB', description: 'Sun hat' }

const envelope = (type: string, source: string, correlationid: string, data: object) => ({
  specversion: '1.0',
  id: '019a2f4e-7c1b-7d3a-9b52-0d4f6c8e1a2c',
  source,
  type,
  time: '2026-11-22T10:15:30.123Z',
  datacontenttype: 'application/json',
  correlationid,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  data,
})

const causationid = '019a2f4e-7c1b-7d3a-9b52-0d4f6c8e1a2d'
const outcome = { orderId, userId: 'ada', amount: 149_900 }

export const publishedEvents: readonly Record<string, unknown>[] = [
  envelope('users.registered.v1', '/orders-service', 'ada', {
    userId: 'ada',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
  }),
  envelope('orders.created.v1', '/orders-service', orderId, { ...order, userRegistered: true }),
  envelope('orders.created.v1', '/orders-service', orderId, {
    ...order,
    userRegistered: false,
    amount: 1_000_000_000_000,
  }),
  {
    ...envelope('payments.succeeded.v1', '/payments-service', orderId, { ...outcome, transactionId: causationid }),
    causationid,
  },
  {
    ...envelope('payments.failed.v1', '/payments-service', orderId, { ...outcome, reason: 'insufficient_funds' }),
    causationid,
  },
  {
    ...envelope('payments.failed.v1', '/payments-service', orderId, { ...outcome, reason: 'account_not_found' }),
    causationid,
  },
  { ...envelope('orders.paid.v1', '/orders-service', orderId, order), causationid },
  {
    ...envelope('orders.failed.v1', '/orders-service', orderId, { ...order, reason: 'insufficient_funds' }),
    causationid,
  },
  {
    ...envelope('orders.failed.v1', '/orders-service', orderId, { ...order, reason: 'account_not_found' }),
    causationid,
  },
]
