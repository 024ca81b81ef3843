/**
 * Every event of the system, as TypeBox. The JSON Schema files and the AsyncAPI document under `schemas/` are generated
 * from here (`npm run schemas -w @checkout/contracts`); a test fails when they differ, and another one when a change
 * would break a reader of what is published already (see compatibility.ts).
 *
 * Envelope: CloudEvents 1.0, structured JSON (https://github.com/cloudevents/spec), with the `traceparent`
 * extension of W3C Trace Context and two of our own: `correlationid` (the order or user the event is about) and
 * `causationid` (the event that caused this one). The NATS subject is the event's type.
 */
import { type Static, type TSchema, Type } from 'typebox'
import { Amount, Currency, Description, described, FailureReason, Name, Timestamp, UserId, Uuid } from './values.ts'

/**
 * The NATS header that says which system published an event. A reader puts a message of another system aside as a dead
 * letter; one without the header (older versions, messages made by hand) counts as its own.
 */
export const SYSTEM_HEADER = 'Checkout-System'

const open = { additionalProperties: true } // readers ignore fields that a later version may add

const orderId = described(Uuid, 'The order, a UUID (version 7).')
const userId = described(UserId, 'The user whose order it is: 1–64 letters, digits, "_" or "-".')
const orderFields = {
  orderId,
  userId,
  amount: described(Amount, 'The price in minor units (kopecks, cents): an integer from 1 to 1,000,000,000,000.'),
  currency: Currency,
  description: Description,
}
const reason = described(
  FailureReason,
  'Why the payment was declined: too little on the account, or no account at all.',
)

export const eventData = {
  'users.registered.v1': Type.Object(
    {
      userId: described(UserId, 'The user: 1–64 letters, digits, "_" or "-".'),
      name: Name,
      // Its form was judged by POST /users. A reader that judged it anew, by another library's idea of an address, could
      // only turn a registration into a dead letter.
      email: Type.String({
        minLength: 1,
        maxLength: 254,
        description: 'Where letters are mailed to, as POST /users took it. Not unique: users may share an address.',
        examples: ['ada@example.com'],
      }),
    },
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
    {
      orderId,
      userId,
      amount: described(Amount, 'What was debited, in minor units (kopecks, cents).'),
      transactionId: described(Uuid, "The debit's entry in the ledger, a UUID (version 7)."),
    },
    { ...open, description: 'The order was debited, once; transactionId is the ledger entry.' },
  ),
  'payments.failed.v1': Type.Object(
    {
      orderId,
      userId,
      amount: described(Amount, 'What should have been debited, in minor units (kopecks, cents).'),
      reason,
    },
    { ...open, description: 'The order was declined, for good; nothing was debited.' },
  ),
  'orders.paid.v1': Type.Object(orderFields, { ...open, description: 'The order became paid.' }),
  'orders.failed.v1': Type.Object({ ...orderFields, reason }, { ...open, description: 'The order became failed.' }),
} as const

export type EventType = keyof typeof eventData
export type EventData<T extends EventType> = Static<(typeof eventData)[T]>

export const eventTypes = Object.keys(eventData) as EventType[]

const envelope = <T extends EventType, D extends TSchema>(type: T, data: D) =>
  Type.Object(
    {
      specversion: Type.Literal('1.0', { description: 'The version of CloudEvents.' }),
      id: Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'Unique per event, and the same when it is told again; consumers deduplicate by it.',
      }),
      source: Type.String({ minLength: 1, description: 'The service that published it, such as /orders-service.' }),
      type: Type.Literal(type, { description: 'What happened, with the version; also the NATS subject.' }),
      time: described(Timestamp, 'When it was stored for sending: RFC 3339, UTC, with milliseconds.'),
      datacontenttype: Type.Literal('application/json', { description: 'What `data` is.' }),
      correlationid: Type.String({ minLength: 1, description: 'The order, or for users.* the user, it is about.' }),
      causationid: Type.Optional(
        Type.String({ minLength: 1, description: 'Id of the event that caused this one; absent when a request did.' }),
      ),
      traceparent: Type.Optional(
        Type.String({
          pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$',
          description: 'W3C Trace Context: the trace of the request that started it, else a new one.',
        }),
      ),
      data,
    },
    { ...open, title: type },
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
