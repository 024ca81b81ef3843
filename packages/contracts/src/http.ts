/** Every HTTP body of the public API, as TypeBox. The `$id`s are the names that Swagger shows. */
import { type Static, type TSchema, Type } from 'typebox'
import { Amount, Balance, Currency, Description, Email, Name, Timestamp, UserId, Uuid } from './values.ts'

const strict = { additionalProperties: false }
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const page = <T extends TSchema>(item: T, $id: string) =>
  Type.Object(
    {
      items: Type.Array(ref(item)),
      next: nullable(Type.String({ description: 'Pass it as ?cursor= to get the next page; null on the last one.' })),
    },
    { $id, additionalProperties: false },
  )

/** A reference to a schema registered under its `$id`, keeping its static type. */
export function ref<T extends TSchema>(schema: T) {
  const id = (schema as { $id?: string }).$id
  if (!id) throw new Error('ref() needs a schema with an $id')
  return Type.Unsafe<Static<T>>({ $ref: `${id}#` })
}

export const NewUser = Type.Object({ name: Name, email: Email }, { ...strict, $id: 'NewUser' })
export const User = Type.Object(
  { id: UserId, name: Name, email: Email, createdAt: Timestamp },
  { ...strict, $id: 'User' },
)

export const Account = Type.Object(
  { userId: UserId, balance: Balance, currency: Currency, createdAt: Timestamp },
  { ...strict, $id: 'Account' },
)
export const Movement = Type.Object({ amount: Amount }, { ...strict, $id: 'Movement' })
export const entryKinds = ['deposit', 'withdrawal', 'debit'] as const
export type EntryKind = (typeof entryKinds)[number]
export const LedgerEntry = Type.Object(
  {
    id: Uuid,
    kind: Type.Enum(entryKinds, {
      description: 'Gives the sign: deposit adds; withdrawal and debit (payment of an order) subtract.',
    }),
    amount: Amount,
    balanceAfter: Balance,
    orderId: nullable(Uuid),
    createdAt: Timestamp,
  },
  { ...strict, $id: 'LedgerEntry' },
)
export const LedgerPage = page(LedgerEntry, 'LedgerPage')

export const NewOrder = Type.Object({ amount: Amount, description: Description }, { ...strict, $id: 'NewOrder' })
export const orderStatuses = ['pending', 'paid', 'failed'] as const
export type OrderStatus = (typeof orderStatuses)[number]
export const OrderStatus = Type.Enum(orderStatuses)
export const Order = Type.Object(
  {
    id: Uuid,
    userId: UserId,
    amount: Amount,
    currency: Currency,
    description: Description,
    status: OrderStatus,
    failureReason: Type.Union([Type.Literal('insufficient_funds'), Type.Literal('account_not_found'), Type.Null()], {
      description: 'Why the order failed; null otherwise.',
    }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  },
  { ...strict, $id: 'Order' },
)
export const OrderPage = page(Order, 'OrderPage')

export const letterKinds = ['order_paid', 'order_failed', 'message'] as const
export type LetterKind = (typeof letterKinds)[number]
export const mailStates = ['none', 'queued', 'sent', 'failed'] as const
export type MailState = (typeof mailStates)[number]
export const NewMessage = Type.Object(
  {
    subject: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\r\\n]*$', examples: ['About my order'] }),
    body: Type.String({ minLength: 1, maxLength: 10_000, examples: ['Please wrap it as a gift.'] }),
  },
  { ...strict, $id: 'NewMessage' },
)
export const Letter = Type.Object(
  {
    seq: Type.Integer({ minimum: 1, description: "Number of the letter among the user's letters, without gaps." }),
    id: Uuid,
    userId: UserId,
    kind: Type.Enum(letterKinds),
    orderId: nullable(Uuid),
    to: nullable(Type.String({ description: "The user's e-mail address; null until the user has registered." })),
    subject: Type.String(),
    body: Type.String(),
    mail: Type.Enum(mailStates, {
      description: 'Whether it is mailed too: none (mailing is off or no address), queued, sent, failed.',
    }),
    createdAt: Timestamp,
    sentAt: nullable(Timestamp),
  },
  { ...strict, $id: 'Letter' },
)
export const LetterPage = page(Letter, 'LetterPage')

export const JourneyStep = Type.Object(
  {
    step: Type.String(),
    at: Timestamp,
    eventId: Type.Optional(Type.String()),
    streamSeq: Type.Optional(Type.Integer()),
    deliveries: Type.Optional(Type.Integer()),
    payload: Type.Optional(Type.Unknown()),
  },
  { ...strict, $id: 'JourneyStep' },
)
export const Journey = Type.Object(
  { service: Type.String(), steps: Type.Array(ref(JourneyStep)) },
  { ...strict, $id: 'Journey' },
)

export const ServiceStatus = Type.Object(
  {
    service: Type.String(),
    version: Type.String(),
    instance: Type.Integer(),
    store: Type.Enum(['ok', 'failed']),
    nats: Type.Enum(['ok', 'degraded']),
    outboxBacklog: Type.Integer({ description: 'Outbox rows not yet published.' }),
    oldestUnpublishedMs: Type.Integer({ description: 'Age of the oldest of them in ms; 0 when there is none.' }),
    deadLetters: Type.Integer(),
  },
  { ...strict, $id: 'ServiceStatus' },
)

export const Problem = Type.Object(
  {
    type: Type.String({ examples: ['about:blank'] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'Stable, for programs.' }),
    requestId: Type.String(),
    errors: Type.Optional(
      Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
        description: 'Only with validation_failed.',
      }),
    ),
  },
  { $id: 'Problem', description: 'RFC 9457 problem details.' },
)

export type User = Static<typeof User>
export type Account = Static<typeof Account>
export type LedgerEntry = Static<typeof LedgerEntry>
export type Order = Static<typeof Order>
export type Letter = Static<typeof Letter>
export type JourneyStep = Static<typeof JourneyStep>
export type Journey = Static<typeof Journey>
export type ServiceStatus = Static<typeof ServiceStatus>
export type Problem = Static<typeof Problem>
export interface Page<T> {
  items: T[]
  next: string | null
}
