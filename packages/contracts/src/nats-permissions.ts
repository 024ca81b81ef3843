/**
 * What the NATS user of each service may do, from the topology: its own work and nothing else. A mistake in one service can
 * neither publish another's events nor take what is meant for others.
 *
 * That is no wall against whoever has the password of a stream's owner: who may create a stream may give it a configuration
 * that copies another stream (`sources`) or publishes on any subject (`republish`), and the server does that under its own
 * rights. Whoever needs the wall gives each service an account of its own, with exports and imports.
 */
import { eventTypes } from './events.ts'
import type { ServiceName } from './services.ts'
import {
  claimSubject,
  deletionSubject,
  publisherOf,
  pushSubject,
  type StreamDefinition,
  type Subscription,
  streams,
  subscriptions,
} from './topology.ts'

/** Subjects that a user may use; `*` stands for one token, `>` at the end for one or more. */
export interface NatsPermissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** The service that wakes its other instances when a user has a new letter. */
const PUSHER: ServiceName = 'notifications-service'

/** What the reply subjects of a service begin with: answers, and the messages that it pulls, go to nobody else. */
export const inboxPrefix = (service: ServiceName): string => `_INBOX.${service}`

export function natsPermissions(service: ServiceName): NatsPermissions {
  const owned = streams.filter((stream) => stream.owner === service)
  const read = subscriptions.filter((subscription) => subscription.service === service)
  const wakeUps = service === PUSHER ? [pushSubject('*')] : []
  const claim = claimSubject(service)
  return {
    publish: [
      // Whether JetStream is there and answers.
      '$JS.API.INFO',
      ...eventTypes.filter((type) => publisherOf(type) === service),
      // Who else has a stream on the same subjects.
      ...(owned.length > 0 ? ['$JS.API.STREAM.NAMES'] : []),
      ...owned.flatMap(asOwner),
      ...read.flatMap(asReader),
      claim,
      ...wakeUps,
    ],
    subscribe: [
      `${inboxPrefix(service)}.>`,
      ...owned.map(({ name }) => streamDeleted(name)),
      ...deletionsOf(read),
      claim,
      ...wakeUps,
    ],
  }
}

/** The owner makes its stream, looks after the durables of all who read it, and says what it has deleted. */
function asOwner({ name }: StreamDefinition): string[] {
  const api = (verb: string) => `$JS.API.${verb}.${name}`
  return [
    ...['CREATE', 'UPDATE', 'INFO', 'PURGE', 'DELETE', 'MSG.GET'].map((verb) => api(`STREAM.${verb}`)),
    `${api('CONSUMER.CREATE')}.>`,
    `${api('CONSUMER.INFO')}.*`,
    `${api('CONSUMER.DELETE')}.*`,
    deletionSubject(name),
  ]
}

/** A reader binds to its durable, pulls and acknowledges. */
const asReader = ({ stream, durable }: Subscription): string[] => [
  `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
  `$JS.ACK.${stream}.${durable}.>`,
]

/** What the server says when somebody deletes a stream. */
const streamDeleted = (stream: string): string => `$JS.EVENT.ADVISORY.STREAM.DELETED.${stream}`

/** A reader hears that its durable is gone from the owner, and from the server. */
const deletionsOf = (read: readonly Subscription[]): string[] => [
  ...[...new Set(read.map(({ stream }) => stream))].flatMap((stream) => [
    deletionSubject(stream),
    streamDeleted(stream),
  ]),
  ...read.map(({ stream, durable }) => `$JS.EVENT.ADVISORY.CONSUMER.DELETED.${stream}.${durable}`),
]
