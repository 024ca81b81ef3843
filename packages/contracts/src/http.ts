/** Every HTTP body of the public API, as TypeBox. The `$id`s are the names that Swagger shows. */
import { type Static, type TSchema, Type } from 'typebox'
import * as examples from './examples.ts'
import { Amount, Balance, Currency, Description, described, Email, Name, Timestamp, UserId, Uuid } from './values.ts'

const strict = { additionalProperties: false }
const nullable = <T extends TSchema>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description })
const page = <T extends TSchema>(item: T, options: { $id: string; description: string; examples: unknown[] }) =>
  Type.Object(
    {
      items: Type.Array(ref(item), { description: 'Newest first.' }),
      next: nullable(
        Type.String({ examples: ['djEuNDI'] }),
        'Pass it as ?cursor= to get the next page; null on the last one.',
      ),
    },
    { ...strict, ...options },
  )

/** A reference to a schema registered under its `$id`, keeping its static type. */
export function ref<T extends TSchema>(schema: T) {
  const id = (schema as { $id?: string }).$id
  if (!id) throw new Error('ref() needs a schema with an $id')
  return Type.Unsafe<Static<T>>({ $ref: `${id}#` })
}

export const NewUser = Type.Object(
  { name: Name, email: Email },
  { ...strict, $id: 'NewUser', description: 'A user to register.', examples: [examples.newUser] },
)
export const User = Type.Object(
  {
    id: UserId,
    name: Name,
    email: Email,
    createdAt: described(Timestamp, 'When the user registered: RFC 3339, UTC, with milliseconds.'),
  },
  { ...strict, $id: 'User', description: 'A registered user.', examples: [examples.user] },
)

export const Account = Type.Object(
  {
    userId: UserId,
    balance: Balance,
    currency: Currency,
    createdAt: described(Timestamp, 'When it was opened: RFC 3339, UTC, with milliseconds.'),
  },
  {
    ...strict,
    $id: 'Account',
    description: "A user's account and what is on it now.",
    examples: [examples.account, examples.openedAccount],
  },
)
export const Movement = Type.Object(
  { amount: Amount },
  { ...strict, $id: 'Movement', description: 'Money to deposit or to withdraw.', examples: [examples.movement] },
)
export const entryKinds = ['deposit', 'withdrawal', 'debit'] as const
export type EntryKind = (typeof entryKinds)[number]
export const LedgerEntry = Type.Object(
  {
    id: described(Uuid, 'The entry, a UUID (version 7).'),
    kind: Type.Enum(entryKinds, {
      type: 'string',
      description: 'Gives the sign: deposit adds; withdrawal and debit (payment of an order) subtract.',
    }),
    amount: Amount,
    balanceAfter: described(
      Balance,
      'What was on the account afterwards, in minor units (kopecks, cents), never below zero.',
    ),
    orderId: nullable(Uuid, 'The order that a debit pays; null for deposits and withdrawals.'),
    createdAt: described(Timestamp, 'When the money moved: RFC 3339, UTC, with milliseconds.'),
  },
  {
    ...strict,
    $id: 'LedgerEntry',
    description: 'One movement of money on an account. Entries are never changed or removed.',
    examples: [examples.deposit, examples.debit, examples.withdrawal],
  },
)
export const LedgerPage = page(LedgerEntry, {
  $id: 'LedgerPage',
  description: 'One page of the ledger, newest entry first.',
  examples: [examples.ledgerPage],
})

export const NewOrder = Type.Object(
  { amount: Amount, description: Description },
  { ...strict, $id: 'NewOrder', description: 'An order to place.', examples: [examples.newOrder] },
)
export const orderStatuses = ['pending', 'paid', 'failed'] as const
export type OrderStatus = (typeof orderStatuses)[number]
export const OrderStatus = Type.Enum(orderStatuses, {
  type: 'string',
  description: 'pending (its payment is under way), then for good paid or failed.',
})
export const Order = Type.Object(
  {
    id: described(Uuid, 'The order, a UUID (version 7).'),
    userId: UserId,
    amount: Amount,
    currency: Currency,
    description: Description,
    status: OrderStatus,
    failureReason: Type.Union([Type.Literal('insufficient_funds'), Type.Literal('account_not_found'), Type.Null()], {
      description: 'Why the order failed: too little on the account, or no account at all; null otherwise.',
    }),
    createdAt: described(Timestamp, 'When it was placed: RFC 3339, UTC, with milliseconds.'),
    updatedAt: described(Timestamp, 'When its status last changed: RFC 3339, UTC, with milliseconds.'),
  },
  {
    ...strict,
    $id: 'Order',
    description: 'An order and what has become of it.',
    examples: [examples.pendingOrder, examples.paidOrder, examples.failedOrder],
  },
)
export const OrderPage = page(Order, {
  $id: 'OrderPage',
  description: 'One page of orders, newest first.',
  examples: [examples.orderPage],
})

export const letterKinds = ['order_paid', 'order_failed', 'message'] as const
export type LetterKind = (typeof letterKinds)[number]
export const mailStates = ['none', 'queued', 'sent', 'failed'] as const
export type MailState = (typeof mailStates)[number]
export const NewMessage = Type.Object(
  {
    subject: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\r\\n]*$',
      description: 'One line of 1–200 characters.',
      examples: ['About my order'],
    }),
    body: Type.String({
      minLength: 1,
      maxLength: 10_000,
      description: 'Plain text of 1–10,000 characters; it may have several lines.',
      examples: ['Please wrap it as a gift.'],
    }),
  },
  { ...strict, $id: 'NewMessage', description: 'A message to write.', examples: [examples.newMessage] },
)
export const Letter = Type.Object(
  {
    seq: Type.Integer({ minimum: 1, description: "Number of the letter among the user's letters, without gaps." }),
    id: described(Uuid, 'The letter, a UUID (version 7).'),
    userId: UserId,
    kind: Type.Enum(letterKinds, {
      type: 'string',
      description: 'order_paid and order_failed say how an order ended; message was sent with POST /notifications.',
    }),
    orderId: nullable(Uuid, 'The order that it is about; null for a message.'),
    to: nullable(
      Type.String({ examples: [examples.user.email] }),
      "The user's e-mail address; null until the user has registered.",
    ),
    subject: Type.String({ description: 'One line.' }),
    body: Type.String({ description: 'Plain text of several lines.' }),
    mail: Type.Enum(mailStates, {
      type: 'string',
      description: 'Whether it is mailed too: none (mailing is off or no address), queued, sent, failed.',
    }),
    createdAt: described(Timestamp, 'When it was written: RFC 3339, UTC, with milliseconds.'),
    sentAt: nullable(Timestamp, 'When it was mailed; null as long as it was not.'),
  },
  {
    ...strict,
    $id: 'Letter',
    description: 'A letter to a user. Over the WebSocket it comes with one more field, `"type": "notification"`.',
    examples: [examples.paidLetter, examples.failedLetter, examples.message],
  },
)
export const PushedLetter = Type.Object(
  {
    type: Type.Literal('notification', { description: 'Tells a letter from `ready`.' }),
    ...Letter.properties,
  },
  {
    ...strict,
    $id: 'PushedLetter',
    description: 'A letter as it comes over the WebSocket: each one once per connection, in the order of seq.',
    examples: [{ type: 'notification', ...examples.paidLetter }],
  },
)
export const PushReady = Type.Object(
  {
    type: Type.Literal('ready', { description: 'Tells it from a letter.' }),
    seq: Type.Integer({ minimum: 0, description: "The user's highest seq; 0 when there is no letter yet." }),
  },
  {
    ...strict,
    $id: 'PushReady',
    description: 'Comes once per connection, after the backlog: what follows is live.',
    examples: [{ type: 'ready', seq: examples.paidLetter.seq }],
  },
)
export const LetterPage = page(Letter, {
  $id: 'LetterPage',
  description: 'One page of letters, newest first.',
  examples: [examples.letterPage],
})

export const JourneyStep = Type.Object(
  {
    step: Type.String({
      description:
        'What happened. In every service: inbox (an event came in), outbox (an event was stored for sending), published (it was sent). Orders: placed, paid, failed. Payments: decision, debit. Notifications: letter, mailed.',
    }),
    at: Timestamp,
    eventId: Type.Optional(Type.String({ description: 'The event that came in or was sent.' })),
    streamSeq: Type.Optional(Type.Integer({ description: "The event's number in its stream." })),
    deliveries: Type.Optional(
      Type.Integer({ description: 'How often the event had been delivered when it was handled; 1 = the first time.' }),
    ),
    payload: Type.Optional(Type.Unknown({ description: 'What was stored; its fields depend on the step.' })),
  },
  {
    ...strict,
    $id: 'JourneyStep',
    description: "One step of an order's way through a service, as it was stored.",
    examples: [examples.placedStep],
  },
)
export const Journey = Type.Object(
  {
    service: Type.String({ description: 'The service that tells it.' }),
    steps: Type.Array(ref(JourneyStep), { description: 'Oldest first.' }),
  },
  {
    ...strict,
    $id: 'Journey',
    description: "What one service knows of an order's way.",
    examples: [examples.ordersJourney, examples.paymentsJourney, examples.notificationsJourney],
  },
)

/** How `natsProblem` begins when what is at the broker is not this system's. */
export const REFUSED = 'refused: '

export const ServiceStatus = Type.Object(
  {
    service: Type.String({ description: 'Name of the service.' }),
    version: Type.String({ description: 'Its version.' }),
    instance: Type.Integer({ description: 'Number of the instance that answered, from 1.' }),
    store: Type.Enum(['ok', 'failed'], {
      type: 'string',
      description: 'failed = the database cannot be used; the three figures below are 0 then.',
    }),
    nats: Type.Enum(['ok', 'degraded'], {
      type: 'string',
      description:
        'degraded = the message broker cannot be used as it should; requests are still taken, events wait. See natsProblem.',
    }),
    natsProblem: Type.Union([Type.String(), Type.Null()], {
      description:
        'What is wrong with the broker and what to do, for people; null when nothing is. Begins with "refused: " when what is there belongs to another system: nothing is published or read then.',
    }),
    outboxBacklog: Type.Integer({ description: 'Events that are stored but not yet published.' }),
    oldestUnpublishedMs: Type.Integer({ description: 'Age of the oldest of them in ms; 0 when there is none.' }),
    deadLetters: Type.Integer({ description: 'Messages put aside because they could not be handled.' }),
  },
  { ...strict, $id: 'ServiceStatus', description: 'How a service is.', examples: [examples.serviceStatus] },
)

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Always about:blank; see code.', examples: ['about:blank'] }),
    title: Type.String({ description: 'The phrase of the HTTP status.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    detail: Type.String({ description: 'What happened and what to do about it, for people.' }),
    code: Type.String({ description: 'What happened, for programs: it stays the same when the texts change.' }),
    requestId: Type.String({ description: 'As in the header X-Request-Id; name it when you report the problem.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          path: Type.String({
            description:
              'JSON Pointer (RFC 6901) to the value: /amount in the body, /query/limit in the query; empty = the whole body.',
          }),
          message: Type.String({ description: 'What is wrong with it.' }),
        }),
        { description: 'Every value that is not valid; only with validation_failed.' },
      ),
    ),
  },
  { $id: 'Problem', description: 'Why a request was refused or failed: RFC 9457 problem details.' },
)

export type User = Static<typeof User>
export type Account = Static<typeof Account>
export type LedgerEntry = Static<typeof LedgerEntry>
export type Order = Static<typeof Order>
export type Letter = Static<typeof Letter>
export type PushedLetter = Static<typeof PushedLetter>
export type PushReady = Static<typeof PushReady>
export type JourneyStep = Static<typeof JourneyStep>
export type Journey = Static<typeof Journey>
export type ServiceStatus = Static<typeof ServiceStatus>
export type Problem = Static<typeof Problem>
export interface Page<T> {
  items: T[]
  next: string | null
}
