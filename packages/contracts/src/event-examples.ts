/** The events of the story that examples.ts tells, as they travel: Ada registers, pays a hat, cannot pay a piano. */
import { type CloudEvent, type EventType, eventSchemas, eventTypes } from './events.ts'
import {
  createdEventId,
  debit,
  failedOrder,
  paidEventId,
  paidOrder,
  pendingOrder,
  succeededEventId,
  user,
} from './examples.ts'

export interface EventExample<T extends EventType = EventType> {
  readonly summary: string
  /** The publisher's number of the event in its outbox; here also its sequence in the stream. */
  readonly outboxId: number
  readonly event: CloudEvent<T>
}

const registeredEventId = '01a202bb-eccc-7d52-8a0e-3c9b1f6d4e75'
const pianoCreatedEventId = '01a202c5-2a88-7e31-9d4c-5b8f0a2e6c19'
const declinedEventId = '01a202c5-2ac6-7b83-a1e7-0d6c4f9b3a58'
const failedEventId = '01a202c5-2ae5-7f40-b6c2-8e1d5a7f9034'
const hatTrace = '00-4bf92f3577b34da6a3ce929d0e0e4736'
const pianoTrace = '00-7c1e5a9d0b3f4826a6d8e2c4f1907b35'

const { userId, amount, currency, description } = pendingOrder
const hat = { orderId: pendingOrder.id, userId, amount, currency, description }
const piano = {
  orderId: failedOrder.id,
  userId,
  amount: failedOrder.amount,
  currency,
  description: failedOrder.description,
}

type Variable<T extends EventType> = Pick<CloudEvent<T>, 'id' | 'time' | 'correlationid' | 'traceparent' | 'data'>

/** With the fields in the order in which the outbox writes them. */
function sent<T extends EventType>(
  source: string,
  type: T,
  causationid: string | null,
  event: Variable<T>,
): CloudEvent<T> {
  const { id, time, correlationid, traceparent, data } = event
  return {
    specversion: '1.0',
    id,
    source,
    type,
    time,
    datacontenttype: 'application/json',
    correlationid,
    ...(causationid !== null && { causationid }),
    ...(traceparent !== undefined && { traceparent }),
    data,
  }
}

export const eventExamples: { readonly [T in EventType]: readonly EventExample<T>[] } = {
  'users.registered.v1': [
    {
      summary: 'Ada registers.',
      outboxId: 1,
      event: sent('/orders-service', 'users.registered.v1', null, {
        id: registeredEventId,
        time: user.createdAt,
        correlationid: user.id,
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        data: { userId: user.id, name: user.name, email: user.email },
      }),
    },
  ],
  'orders.created.v1': [
    {
      summary: 'Ada orders a hat.',
      outboxId: 2,
      event: sent('/orders-service', 'orders.created.v1', null, {
        id: createdEventId,
        time: pendingOrder.createdAt,
        correlationid: hat.orderId,
        traceparent: `${hatTrace}-00f067aa0ba902b7-01`,
        data: { orderId: hat.orderId, userId, userRegistered: true, amount, currency, description },
      }),
    },
  ],
  'payments.succeeded.v1': [
    {
      summary: 'The hat was debited.',
      outboxId: 1,
      event: sent('/payments-service', 'payments.succeeded.v1', createdEventId, {
        id: succeededEventId,
        time: debit.createdAt,
        correlationid: hat.orderId,
        traceparent: `${hatTrace}-5fb397be34d26b51-01`,
        data: { orderId: hat.orderId, userId, amount, transactionId: debit.id },
      }),
    },
  ],
  'payments.failed.v1': [
    {
      summary: 'The piano costs more than there is on the account.',
      outboxId: 2,
      event: sent('/payments-service', 'payments.failed.v1', pianoCreatedEventId, {
        id: declinedEventId,
        time: '2026-11-22T10:20:05.702Z',
        correlationid: piano.orderId,
        traceparent: `${pianoTrace}-2a6d8f01c3b5e794-01`,
        data: { orderId: piano.orderId, userId, amount: piano.amount, reason: 'insufficient_funds' },
      }),
    },
  ],
  'orders.paid.v1': [
    {
      summary: 'The hat is paid.',
      outboxId: 3,
      event: sent('/orders-service', 'orders.paid.v1', succeededEventId, {
        id: paidEventId,
        time: paidOrder.updatedAt,
        correlationid: hat.orderId,
        traceparent: `${hatTrace}-93bb0f5c7a1d2e68-01`,
        data: hat,
      }),
    },
  ],
  'orders.failed.v1': [
    {
      summary: 'The order of the piano failed.',
      outboxId: 5,
      event: sent('/orders-service', 'orders.failed.v1', declinedEventId, {
        id: failedEventId,
        time: failedOrder.updatedAt,
        correlationid: piano.orderId,
        traceparent: `${pianoTrace}-d4c7e9120f8ab356-01`,
        data: { ...piano, reason: 'insufficient_funds' },
      }),
    },
  ],
}

/** The schemas with their examples, for the documents: a service that reads and writes events needs none. */
export const documentedSchemas = Object.fromEntries(
  eventTypes.map((type) => [type, { ...eventSchemas[type], examples: eventExamples[type].map(({ event }) => event) }]),
) as unknown as typeof eventSchemas
