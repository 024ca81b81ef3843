/**
 * Who publishes and who subscribes to what: the one table from which streams, durables, NATS permissions and the
 * written contracts come.
 */
import type { EventType } from './events.ts'
import type { ServiceName } from './services.ts'

export interface StreamDefinition {
  readonly name: string
  /** The only writer: this service's relay. */
  readonly owner: ServiceName
  readonly subjects: readonly string[]
}

export interface Subscription {
  readonly durable: string
  readonly stream: string
  readonly subject: EventType
  readonly service: ServiceName
}

export const streams = [
  { name: 'ORDERS', owner: 'orders-service', subjects: ['orders.>', 'users.>'] },
  { name: 'PAYMENTS', owner: 'payments-service', subjects: ['payments.>'] },
] as const satisfies readonly StreamDefinition[]

/** What STREAM_MAX_BYTES is where it is not set, and the least that it may be. */
export const STREAM_BYTES = { default: 2 * 1024 ** 3, minimum: 1024 ** 2 } as const

/** Event type → the services that read it. */
const readers: Readonly<Record<EventType, readonly ServiceName[]>> = {
  'users.registered.v1': ['payments-service', 'notifications-service'],
  'orders.created.v1': ['payments-service'],
  'orders.paid.v1': ['notifications-service'],
  'orders.failed.v1': ['notifications-service'],
  'payments.succeeded.v1': ['orders-service'],
  'payments.failed.v1': ['orders-service'],
}

/** The stream that carries an event type: its subject's first token decides. */
export const streamOf = (type: EventType): StreamDefinition => {
  const prefix = `${type.slice(0, type.indexOf('.'))}.>`
  const stream = streams.find((s) => (s.subjects as readonly string[]).includes(prefix))
  if (!stream) throw new Error(`no stream carries ${type}`)
  return stream
}

/** One durable pull consumer per subject and consuming service, such as `payments-service_orders-created-v1`. */
export const subscriptions: readonly Subscription[] = (Object.keys(readers) as EventType[]).flatMap((subject) =>
  readers[subject].map((service) => ({
    durable: `${service}_${subject.replaceAll('.', '-')}`,
    stream: streamOf(subject).name,
    subject,
    service,
  })),
)

export const publisherOf = (type: EventType): ServiceName => streamOf(type).owner

/** The plain NATS subject on which a stream's owner says that it deleted the stream, or a durable of it. */
export const deletionSubject = (stream: string): string => `deleted.${stream}`

/** The plain NATS subject that wakes the instances to which a user is connected: there may be a new letter. */
export const pushSubject = (userId: string): string => `push.${userId}`

/**
 * The plain NATS subject on which the instances of a service find out whether somebody else, with another file, claims
 * the same work at this broker.
 */
export const claimSubject = (service: ServiceName): string => `claim.${service}`
