/**
 * Every event of the system, as TypeBox. The JSON Schema files under `schemas/` are generated from here
 * (`npm run schemas -w packages/contracts`); a test fails when they differ.
 *
 * Envelope: CloudEvents 1.0, structured JSON (https://github.com/cloudevents/spec), with the `traceparent`
 * extension of W3C Trace Context and two of our own: `correlationid` (the order or user the event is about) and
 * `causationid` (the event that caused this one). The NATS subject is the event's type.
 */
import { type Static, type TSchema, Type } from 'typebox'
import { Amount, Currency, Description, Email, FailureReason, Name, Timestamp, UserId, Uuid } from './values.ts'

const open = { additionalProperties: true } // readers ignore fields that a later version may add

const orderFields = {
  orderId: Uuid,
  userId: UserId,
  amount: Amount,
  currency: Currency,
  description: Description,
}

export const eventData = {
  'users.registered.v1': Type.Object(
    { userId: UserId, name: Name, email: Email },
    { ...open, description: 'A user registered. Payments opens the account, notifications stores the contact.' },
  ),
  'orders.created.v1': Type.Object(
    {
      ...orderFields,
      userRegistered: Type.Boolean({
        description: 'Whether orders-service knew the user: payments then opens a missing account itself.',
      }),
    },
    { ...open, description: 'An order was accepted and waits for its payment.' },
  ),
  'payments.succeeded.v1': Type.Object(
    { orderId: Uuid, userId: UserId, amount: Amount, transactionId: Uuid },
    { ...open, description: 'The order was debited, once; transactionId is the ledger entry.' },
  ),
  'payments.failed.v1': Type.Object(
    { orderId: Uuid, userId: UserId, amount: Amount, reason: FailureReason },
    { ...open, description: 'The order was declined, for good; nothing was debited.' },
  ),
  'orders.paid.v1': Type.Object(orderFields, { ...open, description: 'The order became paid.' }),
  'orders.failed.v1': Type.Object(
    { ...orderFields, reason: FailureReason },
    { ...open, description: 'The order became failed.' },
  ),
} as const

export type EventType = keyof typeof eventData
export type EventData<T extends EventType> = Static<(typeof eventData)[T]>

export const eventTypes = Object.keys(eventData) as EventType[]

const envelope = <T extends EventType, D extends TSchema>(type: T, data: D) =>
  Type.Object(
    {
      specversion: Type.Literal('1.0'),
      id: Type.String({ minLength: 1, maxLength: 255, description: 'Unique per event; consumers deduplicate by it.' }),
      source: Type.String({ minLength: 1, description: 'The service that published it, such as /orders-service.' }),
      type: Type.Literal(type),
      time: Timestamp,
      datacontenttype: Type.Literal('application/json'),
      correlationid: Type.String({ minLength: 1, description: 'The order, or for users.* the user, it is about.' }),
      causationid: Type.Optional(Type.String({ minLength: 1, description: 'Id of the event that caused this one.' })),
      traceparent: Type.Optional(
        Type.String({
          pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$',
          description: 'W3C Trace Context.',
        }),
      ),
      data,
    },
    { additionalProperties: true, title: type },
  )

/** The whole message per event type: envelope and data. */
export const eventSchemas = Object.fromEntries(
  eventTypes.map((type) => [type, envelope(type, eventData[type])]),
) as unknown as { [T in EventType]: TSchema }

/** One event as it travels. */
export interface CloudEvent<T extends EventType = EventType> {
  specversion: '1.0'
  id: string
  source: string
  type: T
  time: string
  datacontenttype: 'application/json'
  correlationid: string
  causationid?: string
  traceparent?: string
  data: EventData<T>
}

/** A union of all events, discriminated by `type`. */
export type AnyEvent = { [T in EventType]: CloudEvent<T> }[EventType]
