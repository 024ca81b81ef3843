/**
 * The broker on NATS JetStream: the only file, with broker-health.ts, that knows the NATS client. Works with nats-server
 * from 2.9 on.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { deletionSubject, type StreamDefinition, type Subscription } from '@checkout/contracts/topology.ts'
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream'
import {
  connect,
  createInbox,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription as NatsSubscription,
  nanos,
  PermissionViolationError,
} from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { Type } from 'typebox'
import type { Broker, Delivery, DurableState, Outgoing, Pull, Signals, StreamState } from './broker.ts'
import { type BrokerHealth, watchBroker } from './broker-health.ts'
import { createBrokerProblems } from './broker-problems.ts'
import { steadyReconnect, watchClock } from './wall-clock.ts'

/** A dead broker is noticed within about two of these. */
const PING_INTERVAL_MS = 2_000
const RECONNECT_WAIT_MS = 250
/** What keeps NATS from being used is tried again several times a second, and logged this often. */
const COMPLAIN_EVERY_MS = 60_000
const REQUEST_TIMEOUT_MS = 3_000
const DRAIN_MS_MAX = 1_000
/** Nobody waits longer for a server that stands still to take a subscription. */
const LISTENING_WAIT_MS = 500
/** An unacknowledged message moves on to another instance after this long: a killed one's do in seconds. */
export const ACK_WAIT_MS = 5_000
/** Messages that one instance fetches ahead of its work. */
export const PREFETCH = 256
/** Delivered and unacknowledged messages of one durable, over all instances. */
const MAX_ACK_PENDING = 4 * PREFETCH
/** A pull request's life, and how often the server shows that it still knows of it. */
const PULL_EXPIRES_MS = 10_000
const PULL_HEARTBEAT_MS = 1_000

/** A publish was refused, not answered, or answered with an unexpected sequence: what is in the stream is unknown. */
export class PublishFailed extends Error {}

/** To be spread into a service's configuration schema. */
export const streamMaxBytes = {
  STREAM_MAX_BYTES: Type.Integer({
    default: 2 * 1024 ** 3,
    minimum: 1024 ** 2,
    description: 'bytes that a stream may hold before its oldest messages give way',
  }),
}

export interface JetStreamOptions {
  /** `nats://host:port`, several separated by commas; may carry `user:password@`. */
  readonly url: string
  /** Shown in the server's connection list. */
  readonly name: string
  /** What its reply subjects begin with, where a user of the server may listen only there; default `_INBOX`. */
  readonly inboxPrefix?: string
  /** Bytes that a stream may hold; before it holds them, its oldest messages give way. */
  readonly streamMaxBytes: number
  /** Told why there is no connection, and what the server's user may not do. */
  readonly logger?: Pick<Logger, 'warn' | 'info'>
}

export interface JetStreamBroker extends Broker, Signals {
  /** Connects, for as long as it takes. Resolves at the first connection. */
  connect(): Promise<void>
  close(): Promise<void>
}

export function createJetStreamBroker(options: JetStreamOptions): JetStreamBroker {
  let nc: NatsConnection | undefined
  let js: JetStreamClient | undefined
  let manager: JetStreamManager | undefined
  let publisher: ReturnType<typeof createPublisher> | undefined
  let health: BrokerHealth | undefined
  let connected = false
  let closing = false
  const problems = createBrokerProblems(options.logger)
  const clock = watchClock()
  const listeners = new Set<(connected: boolean) => void>()
  const signalListeners = new Map<string, { listener: () => void; subscription?: NatsSubscription }>()

  const setConnected = (value: boolean) => {
    if (connected === value) return
    connected = value
    health?.connection(value)
    for (const listener of [...listeners]) listener(value)
  }
  const jsm = (): JetStreamManager => {
    if (!manager || !connected) throw new Error('not connected to NATS')
    return manager
  }

  /** Without it a wrong password, or a right that the user lacks, would look like a broker that has nothing to say. */
  const complaints = new Map<string, number>()
  function complain(error: Error): void {
    const kind = error instanceof PermissionViolationError ? error.operation : error.name
    const now = performance.now()
    if (now - (complaints.get(kind) ?? Number.NEGATIVE_INFINITY) < COMPLAIN_EVERY_MS) return
    complaints.set(kind, now)
    options.logger?.warn({ reason: error.message }, 'NATS cannot be used as it should; trying again')
  }

  /** Undefined when closed before. The client's waitOnFirstConnect would go on trying even then. */
  async function dial(): Promise<NatsConnection | undefined> {
    while (!closing) {
      try {
        return await connect({
          ...parseUrl(options.url),
          name: options.name,
          ...(options.inboxPrefix && { inboxPrefix: options.inboxPrefix }),
          maxReconnectAttempts: -1,
          ...steadyReconnect(RECONNECT_WAIT_MS),
          pingInterval: PING_INTERVAL_MS,
          maxPingOut: 2,
          // A broker that comes up with other users for a moment must not be given up for good.
          ignoreAuthErrorAbort: true,
          timeout: REQUEST_TIMEOUT_MS,
        })
      } catch (error) {
        complain(error as Error)
        await delay(RECONNECT_WAIT_MS)
      }
    }
    return undefined
  }

  function subscribe(connection: NatsConnection, subject: string): void {
    const entry = signalListeners.get(subject)
    if (!entry || entry.subscription) return
    const callback = (error: Error | null) => {
      if (!error) entry.listener()
    }
    entry.subscription = connection.subscribe(subject, { callback })
  }

  async function watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') setConnected(false)
      if (status.type === 'reconnect') setConnected(true)
      if (status.type === 'error') complain(status.error)
    }
    setConnected(false)
  }

  const broker: JetStreamBroker = {
    get connected() {
      return connected
    },
    get problem() {
      return problems.first
    },
    onConnection(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    async connect() {
      const connection = await dial()
      if (!connection || closing) return connection?.close()
      nc = connection
      health = watchBroker(connection, { problems, streamMaxBytes: options.streamMaxBytes })
      js = jetstream(health.watched, { timeout: REQUEST_TIMEOUT_MS })
      manager = await jetstreamManager(health.watched, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false })
      publisher = createPublisher(connection, createInbox(options.inboxPrefix))
      for (const subject of signalListeners.keys()) subscribe(connection, subject)
      void watch(connection)
      setConnected(true)
    },

    async close() {
      closing = true
      clock.close()
      health?.stop()
      // Acks and naks of the last moment leave two turns later (see `later`), and a drain lets them out. A broker that
      // stands still never answers it.
      for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
      const drained = connected ? nc?.drain().catch(() => undefined) : undefined
      if (drained) await Promise.race([drained, delay(DRAIN_MS_MAX, undefined, { ref: false })])
      await nc?.close()
      setConnected(false)
    },

    signal(subject) {
      if (connected) nc?.publish(subject)
    },
    onSignal(subject, listener) {
      if (signalListeners.has(subject)) throw new Error(`somebody listens on ${subject} already`)
      signalListeners.set(subject, { listener })
      if (nc && !closing) subscribe(nc, subject)
      return () => {
        signalListeners.get(subject)?.subscription?.unsubscribe()
        signalListeners.delete(subject)
      }
    },
    async listening() {
      if (!connected || !nc) return
      await Promise.race([nc.flush().catch(() => undefined), delay(LISTENING_WAIT_MS, undefined, { ref: false })])
    },

    async stream(name) {
      const info = await orMissing(jsm().streams.info(name), JetStreamApiCodes.StreamNotFound)
      return info && streamState(info)
    },
    async createStream(definition: StreamDefinition) {
      const info = await jsm().streams.add({
        name: definition.name,
        description: `incarnation ${randomUUID()}`,
        subjects: [...definition.subjects],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_bytes: options.streamMaxBytes,
        discard: DiscardPolicy.New,
      })
      return streamState(info)
    },
    async updateStream({ name }) {
      const { config } = await jsm().streams.info(name)
      if (config.max_bytes === options.streamMaxBytes) return
      await jsm().streams.update(name, { max_bytes: options.streamMaxBytes })
    },
    async deleteStream(name) {
      await orMissing(jsm().streams.delete(name), JetStreamApiCodes.StreamNotFound)
      nc?.publish(deletionSubject(name))
    },
    async purge(stream, seq) {
      await jsm().streams.purge(stream, { seq })
    },
    async messageId(stream, seq) {
      const message = await jsm().streams.getMessage(stream, { seq })
      return message?.header.get('Nats-Msg-Id')
    },
    publish(_stream, messages, lastSeq) {
      if (!publisher || !connected) return Promise.reject(new PublishFailed('not connected to NATS'))
      return publisher.publish(messages, lastSeq, listeners)
    },

    async durable({ stream, durable }): Promise<DurableState | undefined> {
      const info = await orMissing(jsm().consumers.info(stream, durable), JetStreamApiCodes.ConsumerNotFound)
      return (
        info && {
          ackFloor: info.ack_floor.stream_seq,
          delivered: info.delivered.stream_seq,
          pending: info.num_pending,
          ackPending: info.num_ack_pending,
          deliveries: info.delivered.consumer_seq,
        }
      )
    },
    async createDurable(subscription) {
      await jsm().consumers.add(subscription.stream, durableConfig(subscription))
    },
    async deleteDurable({ stream, durable }) {
      await orMissing(jsm().consumers.delete(stream, durable), JetStreamApiCodes.ConsumerNotFound)
      nc?.publish(deletionSubject(stream))
    },

    async pull(subscription: Subscription): Promise<Pull> {
      const connection = nc
      if (!js || !connection || !connected) throw new Error('not connected to NATS')
      const { stream, durable } = subscription
      const lost = new Error(`lost the durable ${durable}`)
      let messages: ConsumerMessages | undefined
      // From the moment that it is known, nothing fetched before may be acknowledged.
      let stale = false
      let stopped = false
      const lose = () => {
        stale = true
        messages?.stop(lost)
      }
      // The pull itself hears of a deletion only while a pull request waits at the server, and none does while
      // everything fetched is still being handled. So the owner announces it; of a deletion by somebody else the server's
      // advisories tell, most of the time. Listened to from before the binding on, so that nothing falls in between.
      const news = [
        deletionSubject(stream),
        `$JS.EVENT.ADVISORY.STREAM.DELETED.${stream}`,
        `$JS.EVENT.ADVISORY.CONSUMER.DELETED.${stream}.${durable}`,
      ].map((subject) => connection.subscribe(subject, { callback: lose }))
      const unlisten = broker.onConnection(lose)
      // Bound anew: the client's watch over the pull may be blind for as long as the clock was set back.
      const unwatch = clock.onStep(() => messages?.stop())
      const off = () => {
        unlisten()
        unwatch()
        for (const subscription of news) subscription.unsubscribe()
      }
      try {
        const consumer = await js.consumers.get(stream, durable)
        messages = await consumer.consume({
          max_messages: PREFETCH,
          expires: PULL_EXPIRES_MS,
          idle_heartbeat: PULL_HEARTBEAT_MS,
          abort_on_missing_resource: true,
        })
      } catch (error) {
        off()
        throw error
      }
      const fetched = messages
      if (stale) fetched.stop(lost)
      void (async () => {
        for await (const { type } of fetched.status()) if (/deleted|not_found/.test(type)) lose()
      })()
      return {
        stop() {
          stopped = true
          fetched.stop()
        },
        async *[Symbol.asyncIterator]() {
          try {
            for await (const message of fetched) {
              if (stale) continue
              if (stopped) message.nak()
              else yield toDelivery(message, () => stale)
            }
            if (stale) throw lost
          } finally {
            off()
          }
        },
      }
    },
  }
  return broker
}

function toDelivery(message: JsMsg, stale: () => boolean): Delivery {
  return {
    subject: message.subject,
    data: message.data,
    get headers() {
      return Object.fromEntries([...(message.headers ?? [])].map(([name, values]) => [name, values.join(', ')]))
    },
    streamSeq: message.seq,
    deliveries: message.info.deliveryCount,
    ack: () => later(() => message.ack()),
    nak: (delayMs) => later(() => message.nak(delayMs)),
    term: () => later(() => message.term()),
  }

  // When the event loop was held up (a slow COMMIT, a stopped process), the news that the durable was made anew lies
  // unread in the socket. Two turns on the loop has surely polled: the first setImmediate may run before it does.
  function later(settle: () => void): void {
    setImmediate(() => setImmediate(() => stale() || settle()))
  }
}

const durableConfig = ({ durable, subject }: Subscription): Partial<ConsumerConfig> => ({
  durable_name: durable,
  filter_subject: subject,
  deliver_policy: DeliverPolicy.All,
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(ACK_WAIT_MS),
  // A message is never given up silently: the consumer loop decides when one is a dead letter.
  max_deliver: -1,
  max_ack_pending: MAX_ACK_PENDING,
})

// Not `created`: server 2.9 replaces it by the time of the last recovery when the configuration is updated.
const streamState = (info: StreamInfo): StreamState => ({
  incarnation: info.config.description ?? '',
  firstSeq: info.state.first_seq,
  lastSeq: info.state.last_seq,
  bytes: info.state.bytes,
  maxBytes: info.config.max_bytes,
})

async function orMissing<T>(answer: Promise<T>, missing: number): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    const code = error instanceof JetStreamApiError ? error.code : undefined
    if (code === missing || code === JetStreamApiCodes.StreamNotFound) return undefined
    throw error
  }
}

/** What the client's `connect` takes instead of a url, or several separated by commas, that carries `user:password@`. */
export function parseUrl(url: string): { servers: string[]; user?: string; pass?: string } {
  const urls = url.split(',').map((part) => new URL(part.includes('://') ? part : `nats://${part}`))
  const [first] = urls
  const servers = urls.map((u) => u.host)
  if (!first?.username) return { servers }
  return { servers, user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
}

/**
 * Publishes whole batches over one reply subscription. The client's own publish makes a promise, a timer and a reply
 * subject per message; with three messages per order that is the larger part of its cost.
 */
function createPublisher(nc: NatsConnection, inbox: string) {
  let current: ((index: number, message: Msg) => void) | undefined
  let round = 0
  nc.subscribe(`${inbox}.*.*`, {
    callback: (error, message) => {
      const [roundToken, indexToken] = message.subject.slice(inbox.length + 1).split('.')
      if (!error && Number(roundToken) === round) current?.(Number(indexToken), message)
    },
  })

  return {
    /** One batch at a time. */
    publish(messages: readonly Outgoing[], lastSeq: number, connection: Set<(c: boolean) => void>): Promise<void> {
      round += 1
      return new Promise<void>((resolve, reject) => {
        let missing = messages.length
        const settle = (error?: Error) => {
          clearTimeout(timer)
          connection.delete(onConnection)
          current = undefined
          if (error) reject(error)
          else resolve()
        }
        const onConnection = () => settle(new PublishFailed('the connection to NATS was lost while publishing'))
        const timer = setTimeout(
          () => settle(new PublishFailed(`${missing} of ${messages.length} publishes were not answered`)),
          REQUEST_TIMEOUT_MS,
        )
        connection.add(onConnection)
        current = (index, message) => {
          const refusal = check(message, lastSeq + index + 1)
          missing -= 1
          if (refusal) settle(new PublishFailed(refusal))
          else if (missing === 0) settle()
        }
        messages.forEach((message, index) => {
          const h = headers()
          h.set('Content-Type', 'application/cloudevents+json')
          h.set('Nats-Msg-Id', message.messageId)
          h.set('Nats-Expected-Last-Sequence', String(lastSeq + index))
          if (message.traceparent) h.set('traceparent', message.traceparent)
          nc.publish(message.subject, message.payload, { headers: h, reply: `${inbox}.${round}.${index}` })
        })
      })
    },
  }
}

/** Why the answer to a publish is not the expected one; undefined when it is. */
function check(message: Msg, expectedSeq: number): string | undefined {
  if (message.data.length === 0) return 'no stream takes the subject'
  const answer = message.json<{ seq?: number; duplicate?: boolean; error?: { description: string } }>()
  if (answer.error) return answer.error.description
  if (answer.duplicate) return `the stream had it already, at ${answer.seq}`
  if (answer.seq !== expectedSeq) return `expected sequence ${expectedSeq}, got ${answer.seq}`
  return undefined
}
