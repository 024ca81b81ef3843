/**
 * What the schemas cannot say of the messages: when each one is sent, how often, and what a reader does with it. The
 * AsyncAPI document and docs/events.md are made from it.
 */
import type { EventType } from './events.ts'
import type { ServiceName } from './services.ts'
import { deletionSubject, pushSubject, streams, subscriptions } from './topology.ts'

export interface EventGuide {
  /** Which transaction of its publisher stores it for sending. */
  readonly when: string
  /** How many there are of it, and when the same one is told again under the same id. */
  readonly often: string
  /** The events that `causationid` names; none when a request caused it. */
  readonly causes: readonly EventType[]
  /** Per reader: what it does, and by which key of its own that happens once however often the event comes. */
  readonly readers: { readonly [S in ServiceName]?: { readonly does: string; readonly once: string } }
}

const toldAgain =
  'Told again, under the same id, when `orders.created.v1` of a decided order comes again: the answer may have been lost. At most once per order in 10 s.'
const letterOnce = 'At most one letter of joy or sorrow per order: `UNIQUE (outcome_of)`.'
const settleOnce = 'An order changes only while it is `pending`, and only a change announces anything.'

export const eventGuide: Readonly<Record<EventType, EventGuide>> = {
  'users.registered.v1': {
    when: '`POST /users` answers 201: in the transaction that stores the user.',
    often: 'Once per user.',
    causes: [],
    readers: {
      'payments-service': {
        does: "Opens the user's account, with a balance of 0; one that exists already is left alone.",
        once: 'The user is the primary key of the accounts.',
      },
      'notifications-service': {
        does: 'Stores the address for letters, and fills it in where a letter was written before it.',
        once: 'The user is the primary key of the contacts.',
      },
    },
  },
  'orders.created.v1': {
    when: '`POST /orders` answers 201, but not when it repeats an earlier answer to the same `Idempotency-Key`: in the transaction that stores the order.',
    often:
      'Once per order. Told again, under the same id, while the order stays pending: after 30 s, then at intervals that double, up to an hour (the sweeper).',
    causes: [],
    readers: {
      'payments-service': {
        does: 'Decides the order: debits the account, or declines. The decision is final, and a known order is not decided again.',
        once: 'The order is the primary key of the decisions, which are never deleted, and unique among the debits of the ledger.',
      },
    },
  },
  'payments.succeeded.v1': {
    when: 'An order was debited: in the transaction of the decision, the debit and its ledger entry.',
    often: `Once per order. ${toldAgain}`,
    causes: ['orders.created.v1'],
    readers: {
      'orders-service': { does: 'The order becomes `paid`, and `orders.paid.v1` says so.', once: settleOnce },
    },
  },
  'payments.failed.v1': {
    when: 'An order was declined: in the transaction of the decision.',
    often: `Once per order. ${toldAgain}`,
    causes: ['orders.created.v1'],
    readers: {
      'orders-service': { does: 'The order becomes `failed`, and `orders.failed.v1` says so.', once: settleOnce },
    },
  },
  'orders.paid.v1': {
    when: 'The order changed from `pending` to `paid`: in the transaction of that change.',
    often: 'Once per order.',
    causes: ['payments.succeeded.v1'],
    readers: {
      'notifications-service': {
        does: 'Writes the letter of joy, which is then pushed, and mailed where `SMTP_URL` is set.',
        once: letterOnce,
      },
    },
  },
  'orders.failed.v1': {
    when: 'The order changed from `pending` to `failed`: in the transaction of that change.',
    often: 'Once per order.',
    causes: ['payments.failed.v1'],
    readers: {
      'notifications-service': {
        does: 'Writes the letter of sorrow, which is then pushed, and mailed where `SMTP_URL` is set.',
        once: letterOnce,
      },
    },
  },
}

/** A plain NATS message without content: at most once, to whoever listens at that moment. */
export interface SignalGuide {
  readonly name: string
  /** With the parameter in braces. */
  readonly address: string
  readonly parameter: { readonly name: string; readonly description: string; readonly values?: readonly string[] }
  readonly summary: string
  readonly when: string
  readonly effect: string
  /** What happens without it. */
  readonly missed: string
  readonly senders: readonly ServiceName[]
  readonly receivers: readonly ServiceName[]
}

export const signals: readonly SignalGuide[] = [
  {
    name: 'push',
    address: pushSubject('{userId}'),
    parameter: { name: 'userId', description: 'The user who may have a new letter.' },
    summary: 'A user may have a new letter.',
    when: 'notifications-service has committed an event about the user, or a letter that `POST /notifications` asked for.',
    effect:
      'Each instance listens for the users connected to it, and sends them the letters that they do not have yet.',
    missed: 'The letter is sent at the next check, at most 5 s later, or when the connection to NATS comes back.',
    senders: ['notifications-service'],
    receivers: ['notifications-service'],
  },
  {
    name: 'deleted',
    address: deletionSubject('{stream}'),
    parameter: {
      name: 'stream',
      description: 'The stream.',
      values: streams.map(({ name }) => name),
    },
    summary: 'A stream, or a durable of it, was deleted; its owner creates it anew.',
    when: "The stream's owner has deleted it, or a durable of it, to make it anew: it was no longer what had been published.",
    effect:
      'Every reader of the stream drops what it has fetched and not acknowledged: a late acknowledgement could hit a new message that has the same number.',
    missed: "The reader learns it from the broker's advisories, or when it asks for messages the next time.",
    senders: streams.map(({ owner }) => owner),
    receivers: [...new Set(subscriptions.map(({ service }) => service))],
  },
]
