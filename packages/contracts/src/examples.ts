/**
 * The examples that the documentation shows: one story, so that ids, amounts and times agree wherever they appear.
 * Ada registers, deposits, orders a hat and gets it, withdraws something, cannot pay a piano, and writes a message.
 */

const createdAt = '2026-11-22T10:10:00.012Z'
export const newUser = { name: 'Ada Lovelace', email: 'ada@example.com' }
export const user = { id: 'ada', ...newUser, createdAt }

export const openedAccount = { userId: 'ada', balance: 0, currency: 'RUB', createdAt: '2026-11-22T10:10:00.058Z' }
export const account = { ...openedAccount, balance: 300_100 }

export const newOrder = { amount: 149_900, description: 'Sun hat, straw' }
export const pendingOrder = {
  id: '01a202c0-f64b-7d3a-9b52-0d4f6c8e1a2b',
  userId: 'ada',
  amount: newOrder.amount,
  currency: 'RUB',
  description: newOrder.description,
  status: 'pending',
  failureReason: null,
  createdAt: '2026-11-22T10:15:30.123Z',
  updatedAt: '2026-11-22T10:15:30.123Z',
}
export const paidOrder = { ...pendingOrder, status: 'paid', updatedAt: '2026-11-22T10:15:30.241Z' }
export const failedOrder = {
  ...pendingOrder,
  id: '01a202c5-2a88-7c61-8f3e-6a9b2d4c7e10',
  amount: 90_000_000,
  description: 'Grand piano',
  status: 'failed',
  failureReason: 'insufficient_funds',
  createdAt: '2026-11-22T10:20:05.640Z',
  updatedAt: '2026-11-22T10:20:05.733Z',
}
export const orderPage = { items: [failedOrder, paidOrder], next: null }

export const movement = { amount: 500_000 }
export const deposit = {
  id: '01a202bd-c27a-7b04-a1c9-3e5f7d8b9a20',
  kind: 'deposit',
  amount: movement.amount,
  balanceAfter: 500_000,
  orderId: null,
  createdAt: '2026-11-22T10:12:00.250Z',
}
export const debit = {
  id: '01a202c0-f68b-7e92-b6d0-4c1a8f3e5d71',
  kind: 'debit',
  amount: pendingOrder.amount,
  balanceAfter: 350_100,
  orderId: pendingOrder.id,
  createdAt: '2026-11-22T10:15:30.187Z',
}
export const withdrawal = {
  id: '01a202c3-dd79-7f15-9e48-7b2c6d0a3f84',
  kind: 'withdrawal',
  amount: 50_000,
  balanceAfter: account.balance,
  orderId: null,
  createdAt: '2026-11-22T10:18:40.377Z',
}
export const ledgerPage = { items: [withdrawal, debit, deposit], next: null }

export const paidLetter = {
  seq: 1,
  id: '01a202c0-f6dc-7a37-8d51-9f0e4b6c2d13',
  userId: 'ada',
  kind: 'order_paid',
  orderId: paidOrder.id,
  to: user.email,
  subject: 'Your order is paid',
  body: `Hello Ada Lovelace,\n\nGood news: your order "Sun hat, straw" is paid. We took RUB 1,499.00 from your account.\n\nThank you for shopping with us!\n\nOrder number: ${paidOrder.id}`,
  mail: 'sent',
  createdAt: '2026-11-22T10:15:30.268Z',
  sentAt: '2026-11-22T10:15:31.502Z',
}
export const failedLetter = {
  ...paidLetter,
  seq: 2,
  id: '01a202c5-2aff-7d20-a4b7-1c8e5f9d6b32',
  kind: 'order_failed',
  orderId: failedOrder.id,
  subject: 'Your order could not be paid',
  body: `Hello Ada Lovelace,\n\nWe are sorry: your order "Grand piano" for RUB 900,000.00 could not be paid. There is not enough money on your account. Nothing was taken from your account.\n\nPlease top up your account and place the order again.\n\nOrder number: ${failedOrder.id}`,
  createdAt: '2026-11-22T10:20:05.759Z',
  sentAt: '2026-11-22T10:20:06.311Z',
}
export const newMessage = { subject: 'About my order', body: 'Please wrap it as a gift.' }
export const message = {
  ...paidLetter,
  ...newMessage,
  seq: 3,
  id: '01a202c9-d748-7c5b-b2e6-8a3d0f7c4e91',
  kind: 'message',
  orderId: null,
  mail: 'queued',
  createdAt: '2026-11-22T10:25:12.008Z',
  sentAt: null,
}
export const letterPage = { items: [message, failedLetter, paidLetter], next: null }

export const createdEventId = '01a202c0-f64c-7b18-9c03-2d6e8f1a5b47'
export const succeededEventId = '01a202c0-f68c-7a64-8b1f-5e9d3c7f0a26'
export const paidEventId = '01a202c0-f6c2-7e09-a5d8-6f4b1c9e2d38'
const inboxStep = (at: string, eventId: string, streamSeq: number) => ({
  step: 'inbox',
  at,
  eventId,
  streamSeq,
  deliveries: 1,
})
export const placedStep = {
  step: 'placed',
  at: pendingOrder.createdAt,
  eventId: createdEventId,
  payload: { amount: pendingOrder.amount, currency: 'RUB', description: pendingOrder.description },
}
export const ordersJourney = {
  service: 'orders-service',
  steps: [
    placedStep,
    { step: 'published', at: '2026-11-22T10:15:30.131Z', eventId: createdEventId, streamSeq: 2 },
    inboxStep('2026-11-22T10:15:30.236Z', succeededEventId, 1),
    { step: 'paid', at: paidOrder.updatedAt, payload: paidOrder },
    { step: 'published', at: '2026-11-22T10:15:30.249Z', eventId: paidEventId, streamSeq: 3 },
  ],
}
const decision = { outcome: 'paid', reason: null, amount: paidOrder.amount, transactionId: debit.id }
export const paymentsJourney = {
  service: 'payments-service',
  steps: [
    inboxStep('2026-11-22T10:15:30.183Z', createdEventId, 2),
    { step: 'decision', at: debit.createdAt, payload: decision },
    { step: 'debit', at: debit.createdAt, payload: debit },
    { step: 'published', at: '2026-11-22T10:15:30.196Z', eventId: succeededEventId, streamSeq: 1 },
  ],
}
export const notificationsJourney = {
  service: 'notifications-service',
  steps: [
    inboxStep('2026-11-22T10:15:30.264Z', paidEventId, 3),
    { step: 'letter', at: paidLetter.createdAt, payload: paidLetter },
    { step: 'mailed', at: paidLetter.sentAt },
  ],
}

export const serviceStatus = {
  service: 'orders-service',
  version: '0.1.0',
  instance: 1,
  store: 'ok',
  nats: 'ok',
  natsProblem: null,
  outboxBacklog: 0,
  oldestUnpublishedMs: 0,
  deadLetters: 0,
}

const unreadableEvent = {
  specversion: '1.0',
  id: '01a202ce-3bbf-7d46-8e20-0b9f5a7c1d63',
  source: '/orders-service',
  type: 'orders.created.v1',
  time: '2026-11-22T10:29:59.871Z',
  datacontenttype: 'application/json',
  correlationid: '01a202ce-3bbe-7a51-b7c4-3f8d6e0a2c95',
  data: {
    orderId: '01a202ce-3bbe-7a51-b7c4-3f8d6e0a2c95',
    userId: 'ada',
    userRegistered: true,
    amount: 0,
    currency: 'RUB',
    description: 'Postcard',
  },
}
export const deadLetter = {
  id: '01a202ce-3e07-7f82-9a6d-4e1c7b5f0d29',
  consumer: 'payments-service_orders-created-v1',
  eventKey: unreadableEvent.id,
  subject: unreadableEvent.type,
  message: JSON.stringify(unreadableEvent),
  headers: { 'Content-Type': 'application/cloudevents+json', 'Nats-Msg-Id': unreadableEvent.id },
  error: 'invalid orders.created.v1: /data/amount must be >= 1',
  attempts: 1,
  createdAt: '2026-11-22T10:30:00.455Z',
}
export const deadLetterPage = { items: [deadLetter], next: null }
