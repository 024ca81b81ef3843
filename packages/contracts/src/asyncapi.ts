/**
 * The AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) over everything that is sent as
 * a message: the events, the signals beside them, and the WebSocket. Made from the schemas, the topology and the guide.
 *
 * It is one document for the whole system, so it shows both ends of each channel: every operation is tagged with the
 * service that performs it. AsyncAPI's NATS binding knows core NATS only, whose nearest thing to a durable is a queue
 * group: an operation's `queue` names the durable, and `x-jetstream` says what it is.
 */
import packageJson from '../package.json' with { type: 'json' }
import { documentedSchemas, type EventExample, eventExamples } from './event-examples.ts'
import { type EventType, eventData, eventTypes, SYSTEM_HEADER } from './events.ts'
import { paidLetter } from './examples.ts'
import { eventGuide, type SignalGuide, signals } from './guide.ts'
import { PushedLetter, PushReady } from './http.ts'
import { type ServiceName, serviceNames } from './services.ts'
import { publisherOf, streamOf, streams, subscriptions } from './topology.ts'

/** A part of the document; its form is what AsyncAPI's parser says, and a test asks that. */
type Part = Record<string, unknown>

const NATS_BINDING = '0.1.0'
const WS_BINDING = '0.1.0'
const ref = (pointer: string) => ({ $ref: `#/${pointer}` })
const dashed = (type: EventType) => type.replaceAll('.', '-')
const descriptionOf = (schema: object) => (schema as { description?: string }).description ?? ''
/** As data: without what TypeBox keeps for itself, and without the name that only the HTTP documents use. */
const plain = (schema: object): Part => {
  const { $id: _, ...rest } = JSON.parse(JSON.stringify(schema)) as Part
  return rest
}
const byNames = <T>(entries: Iterable<readonly [string, T]>): Record<string, T> => Object.fromEntries(entries)

export function asyncApiDocument(): Part {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Checkout: messages',
      version: packageJson.version,
      description: INTRODUCTION,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers,
    channels: byNames([...eventTypes.map(eventChannel), ...signals.map(signalChannel), letterChannel]),
    operations: byNames([
      ...eventTypes.map(publishing),
      ...subscriptions.map(reading),
      ...signals.flatMap(signalling),
      ...letterOperations,
    ]),
    components: {
      schemas: byNames([
        ...eventTypes.map(
          (type) => [type, { ...plain(documentedSchemas[type]), description: descriptionOf(eventData[type]) }] as const,
        ),
        ['PushedLetter', plain(PushedLetter)],
        ['PushReady', plain(PushReady)],
        ['EventHeaders', eventHeaders],
      ]),
      messages: byNames([...eventTypes.map(eventMessage), ...signals.map(signalMessage), ...letterMessages]),
      correlationIds: {
        about: {
          description: 'The order, or for users.* the user, that the event is about.',
          location: '$message.payload#/correlationid',
        },
      },
      tags: byNames([...serviceNames, 'web'].map((name) => [name, { name }] as const)),
    },
  }
}

const INTRODUCTION = `Services tell each other what happened by events, on NATS JetStream. Each event is written to its publisher's outbox in the transaction of the effect that it announces, is delivered at least once to every service that reads it, and is handled by each in one transaction; keys in the readers' databases make its effects happen once. The subject is the event's type, and carries its version.

Each event is a CloudEvent 1.0 in structured JSON. Readers ignore fields that they do not know: within a version fields may be added, and nothing else may change.

Beside the streams there are signals, plain NATS messages without content that may get lost, and a WebSocket over which letters reach the browser.`

const servers = {
  nats: {
    host: '127.0.0.1:4222',
    protocol: 'nats',
    description:
      'The broker, version 2.9 or later with JetStream; `NATS_URL` says where it is, with user and password where it wants them.',
  },
  gateway: {
    host: 'localhost:8080',
    protocol: 'ws',
    description: 'The gateway, which pipes WebSockets to an instance of notifications-service.',
  },
}

// Events ------------------------------------------------------------------------------------------------------------

function eventChannel(type: EventType): [string, Part] {
  const { name, owner } = streamOf(type)
  const channel = {
    address: type,
    summary: descriptionOf(eventData[type]),
    description: `Kept in the stream ${name}, which ${owner} alone writes.`,
    servers: [ref('servers/nats')],
    messages: { [type]: ref(`components/messages/${type}`) },
    'x-jetstream': { stream: name, owner, subjects: streams.find((s) => s.name === name)?.subjects },
  }
  return [type, channel]
}

/** What the relay sets, beside the payload. */
const eventHeaders = {
  type: 'object',
  description: 'NATS headers of an event.',
  required: ['Content-Type', 'Nats-Msg-Id', 'Nats-Expected-Last-Sequence'],
  properties: {
    'Content-Type': {
      type: 'string',
      const: 'application/cloudevents+json',
      description: 'A CloudEvent in structured JSON.',
    },
    'Nats-Msg-Id': {
      type: 'string',
      description:
        "The event's id, a dot, and its number in the publisher's outbox: the broker drops what it has seen under it within its window, and the publisher recognises its stream by it.",
    },
    'Nats-Expected-Last-Sequence': {
      type: 'string',
      pattern: '^\\d+$',
      description: 'The number of the message before it: the broker refuses the event when the stream is not at that.',
    },
    'Nats-Expected-Stream': {
      type: 'string',
      description: 'The stream that the event is for: another one that takes its subject refuses it.',
    },
    [SYSTEM_HEADER]: {
      type: 'string',
      description:
        "The system that published it. In another system it becomes a dead letter and has no effect; without this header (older versions, messages made by hand) it counts as the reader's own.",
    },
    traceparent: { type: 'string', description: 'W3C Trace Context, as in the payload.' },
  },
}

function eventMessage(type: EventType): [string, Part] {
  const { often } = eventGuide[type]
  const message = {
    name: type,
    title: type,
    summary: descriptionOf(eventData[type]),
    description: often,
    contentType: 'application/cloudevents+json',
    headers: ref('components/schemas/EventHeaders'),
    payload: ref(`components/schemas/${type}`),
    correlationId: ref('components/correlationIds/about'),
    examples: eventExamples[type].map(eventExample),
  }
  return [type, message]
}

const eventExample = ({ summary, outboxId, event }: EventExample): Part => ({
  name: event.id,
  summary,
  headers: {
    'Content-Type': 'application/cloudevents+json',
    'Nats-Msg-Id': `${event.id}.${outboxId}`,
    'Nats-Expected-Last-Sequence': String(outboxId - 1),
    'Nats-Expected-Stream': streamOf(event.type).name,
    [SYSTEM_HEADER]: 'shop',
    ...(event.traceparent && { traceparent: event.traceparent }),
  },
  payload: event,
})

function publishing(type: EventType): [string, Part] {
  const service = publisherOf(type)
  const { when } = eventGuide[type]
  const stream = streamOf(type).name
  const operation = {
    action: 'send',
    channel: ref(`channels/${type}`),
    title: `${service} sends ${type}`,
    description: `When: ${when}`,
    tags: [ref(`components/tags/${service}`)],
    messages: [ref(`channels/${type}/messages/${type}`)],
    bindings: { nats: { bindingVersion: NATS_BINDING } },
    'x-jetstream': { stream },
  }
  return [`${service}_sends_${dashed(type)}`, operation]
}

/** Named as the durable. */
function reading({ durable, stream, subject, service }: (typeof subscriptions)[number]): [string, Part] {
  const reader = eventGuide[subject].readers[service]
  const operation = {
    action: 'receive',
    channel: ref(`channels/${subject}`),
    title: `${service} reads ${subject}`,
    description: `${reader?.does}\n\nHow that happens once: ${reader?.once}\n\nAll instances of ${service} share the durable pull consumer \`${durable}\`: each event goes to one of them, and comes again until one has committed its effect and acknowledged it.`,
    tags: [ref(`components/tags/${service}`)],
    messages: [ref(`channels/${subject}/messages/${subject}`)],
    bindings: { nats: { queue: durable, bindingVersion: NATS_BINDING } },
    'x-jetstream': { stream, durable },
  }
  return [durable, operation]
}

// Signals -----------------------------------------------------------------------------------------------------------

function signalChannel({ name, address, parameter, summary, missed }: SignalGuide): [string, Part] {
  const { name: parameterName, description, values } = parameter
  const channel = {
    address,
    summary,
    description: `A plain NATS message without content, at most once, to whoever listens. Without it: ${missed}`,
    servers: [ref('servers/nats')],
    parameters: { [parameterName]: { description, ...(values && { enum: values }) } },
    messages: { [name]: ref(`components/messages/${name}`) },
  }
  return [name, channel]
}

function signalMessage({ name, address, summary }: SignalGuide): [string, Part] {
  return [
    name,
    { name, title: address, summary, description: 'It has no content and no headers: the subject says it all.' },
  ]
}

function signalling({ name, address, when, effect, senders, receivers }: SignalGuide): [string, Part][] {
  const operation = (service: ServiceName, action: 'send' | 'receive', description: string): [string, Part] => [
    `${service}_${action}s_${name}`,
    {
      action,
      channel: ref(`channels/${name}`),
      title: `${service} ${action === 'send' ? 'sends' : 'listens on'} ${address}`,
      description,
      tags: [ref(`components/tags/${service}`)],
      messages: [ref(`channels/${name}/messages/${name}`)],
      // No queue: every instance that listens hears it.
      bindings: { nats: { bindingVersion: NATS_BINDING } },
    },
  ]
  return [
    ...senders.map((service) => operation(service, 'send', `When: ${when}`)),
    ...receivers.map((service) => operation(service, 'receive', effect)),
  ]
}

// The WebSocket -----------------------------------------------------------------------------------------------------

const letterChannel: [string, Part] = [
  'letters',
  {
    address: '/notifications/stream',
    summary: 'Letters as they are written, over a WebSocket.',
    description:
      'The server sends the letters after `since`, oldest first, then `ready`, then every new letter. A connection gets each letter once and in the order of `seq`; a client that connects again with the last `seq` that it has seen misses nothing, whichever instance it reaches. Clients tell letters apart by `id`, and have nothing to send.\n\nClose codes: 1008 this was the oldest of more than 20 connections of the user to one instance (do not connect again at once); 1009 the client sent more than 4 KiB at once; 1012 the instance stops (connect again); 1013 the client reads too slowly (connect again with `since`).',
    servers: [ref('servers/gateway')],
    messages: {
      PushedLetter: ref('components/messages/PushedLetter'),
      PushReady: ref('components/messages/PushReady'),
    },
    bindings: {
      ws: {
        method: 'GET',
        query: {
          type: 'object',
          properties: {
            userId: {
              type: 'string',
              description: 'The user, where the header X-User-Id cannot be sent, as in browsers.',
            },
            since: {
              type: 'integer',
              minimum: 0,
              description:
                'The last seq that the client has seen; 0 = from the beginning. Without it there is no backlog.',
            },
          },
        },
        bindingVersion: WS_BINDING,
      },
    },
  },
]

const letterMessages: [string, Part][] = [
  [
    'PushedLetter',
    {
      name: 'notification',
      title: 'A letter',
      summary: descriptionOf(PushedLetter),
      contentType: 'application/json',
      payload: ref('components/schemas/PushedLetter'),
      examples: [{ name: 'paid', summary: 'The letter of joy.', payload: { type: 'notification', ...paidLetter } }],
    },
  ],
  [
    'PushReady',
    {
      name: 'ready',
      title: 'Ready',
      summary: descriptionOf(PushReady),
      contentType: 'application/json',
      payload: ref('components/schemas/PushReady'),
      examples: [
        { name: 'ready', summary: 'The backlog is through.', payload: { type: 'ready', seq: paidLetter.seq } },
      ],
    },
  ],
]

const letterOperation = (service: ServiceName | 'web', action: 'send' | 'receive', title: string): Part => ({
  action,
  channel: ref('channels/letters'),
  title,
  tags: [ref(`components/tags/${service}`)],
  messages: [ref('channels/letters/messages/PushedLetter'), ref('channels/letters/messages/PushReady')],
})

const letterOperations: [string, Part][] = [
  [
    'notifications-service_sends_letters',
    letterOperation('notifications-service', 'send', 'notifications-service pushes letters'),
  ],
  ['web_receives_letters', letterOperation('web', 'receive', 'The web UI in the browser shows letters')],
]
