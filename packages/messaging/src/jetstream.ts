/**
 * The broker on NATS JetStream: the only file, with broker-health.ts, that knows the NATS client. Works with nats-server
 * from 2.9 on.
 */
import { hostname } from 'node:os'
import { SYSTEM_HEADER } from '@checkout/contracts/events.ts'
import { REFUSED } from '@checkout/contracts/http.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import {
  claimSubject,
  deletionSubject,
  STREAM_BYTES,
  type StreamDefinition,
  type Subscription,
  streams,
} from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Deployment } from '@checkout/store/deployment.ts'
import {
  AckPolicy,
  type Consumer,
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
import { type ClaimStore, createClaim, WHAT_TO_DO } from './claim.ts'
import { type Mark, markText, readMark, unmarkedIncarnation } from './mark.ts'
import { parseUrl } from './nats-url.ts'
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

/** It is not this system's: nothing is done to it. */
export class Foreign extends Error {}

/** To be spread into a service's configuration schema. */
export const streamMaxBytes = {
  STREAM_MAX_BYTES: Type.Integer({
    ...STREAM_BYTES,
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
  readonly platform: Platform
  /** Whose streams, durables and messages are its own. */
  readonly deployment: Deployment
  /** The service whose work it claims at the broker before it uses it, and its file; without, it claims none. */
  readonly claim?: { readonly service: ServiceName; readonly store: ClaimStore }
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
  /** There is a connection; it is used (`connected`) only once it is admitted. */
  let reachable = false
  let connected = false
  let closing = false
  const problems = createBrokerProblems(options.logger)
  const { deployment, platform } = options
  const clock = watchClock(platform)
  const settleLater = createSettling(platform)
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

  /** Until the promise is settled, but no longer. */
  async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
    const settled = new AbortController()
    await Promise.race([promise, platform.sleep(ms, settled.signal)])
    settled.abort('settled')
  }

  /** Without it a wrong password, or a right that the user lacks, would look like a broker that has nothing to say. */
  const complaints = new Map<string, number>()
  function complain(error: Error): void {
    const kind = error instanceof PermissionViolationError ? error.operation : error.name
    if (error instanceof PermissionViolationError) claim?.denied(error.subject)
    const now = platform.monotonic()
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
          ...steadyReconnect(RECONNECT_WAIT_MS, platform),
          pingInterval: PING_INTERVAL_MS,
          maxPingOut: 2,
          // A broker that comes up with other users for a moment must not be given up for good.
          ignoreAuthErrorAbort: true,
          timeout: REQUEST_TIMEOUT_MS,
          // So that the server can tell when nobody else listens, see claim.ts.
          noEcho: true,
        })
      } catch (error) {
        complain(error as Error)
        await platform.sleep(RECONNECT_WAIT_MS)
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

  /** Says for other instances to hear what `claim.ts` wants said, and hands it what they say. */
  function createBrokerClaim({ service, store }: NonNullable<JetStreamOptions['claim']>) {
    const subject = claimSubject(service)
    const reply = createInbox(options.inboxPrefix)
    const listening: NatsSubscription[] = []
    const claim = createClaim({
      systemId: deployment.systemId,
      where: `${options.name}, process ${process.pid} on ${hostname()}`,
      store,
      platform,
      say: (text, replies) => reachable && nc?.publish(subject, text, replies ? { reply } : undefined),
      onRefused(line) {
        problems.set('claim', refused(line))
        for (const subscription of listening) subscription.unsubscribe()
        setConnected(false)
      },
    })
    return {
      ...claim,
      async ask() {
        const cleared = await claim.ask()
        if (cleared) problems.set('claim permission', undefined)
        return cleared
      },
      /** Not asking is no leave to go on. The server drops the connection when the permissions change. */
      denied(what: string) {
        if (what !== subject) return
        claim.lost()
        problems.set(
          'claim permission',
          `the broker's user may not use ${subject}: give it what deploy/nats/nats.conf has`,
        )
      },
      listen(connection: NatsConnection) {
        const on = (heard: string, then: (message: Msg) => void) =>
          connection.subscribe(heard, { callback: (error, message) => (error ? complain(error) : then(message)) })
        // What comes as a reply is the server's: nobody listens. Answers come on the subject itself.
        listening.push(
          on(subject, (message) => claim.hear(message.string())),
          on(reply, claim.nobodyListens),
        )
      },
    }
  }
  const claim = options.claim && createBrokerClaim(options.claim)

  /** The connection is used only once nobody else's claim to the same work stands against it. */
  async function admit(): Promise<void> {
    reachable = true
    if (!claim || (await claim.ask())) setConnected(reachable)
  }

  function lose(): void {
    reachable = false
    own.clear()
    claim?.lost()
    setConnected(false)
  }

  async function watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') lose()
      if (status.type === 'reconnect') void admit()
      if (status.type === 'error') complain(status.error)
    }
    lose()
  }

  /** Streams found to be this system's, and not deleted since: they may be published to. */
  const own = new Set<string>()
  const watched = new Set<string>()

  /**
   * Somebody may delete a stream, and somebody else make one of its name, between two publishes. The server tells of the
   * deletion before whatever comes next on this connection, so what follows is looked at anew.
   */
  function watchDeletion(name: string): void {
    if (!nc || watched.has(name)) return
    watched.add(name)
    const callback = (error: Error | null) => (error ? complain(error) : void own.delete(name))
    nc.subscribe(`$JS.EVENT.ADVISORY.STREAM.DELETED.${name}`, { callback })
  }

  /** Whose a stream is; states the problem when it is not this system's. */
  function checkStream(name: string, mark: Mark | undefined, description: string | undefined): boolean {
    const ours = mark?.incarnation !== undefined && mark.systemId === deployment.systemId
    const whose = mark ? `the system ${mark.systemId}` : `somebody else (its description is ${quoted(description)})`
    const line = `the stream ${name} belongs to ${whose}; this is the system ${deployment.systemId}. ${WHAT_TO_DO}`
    problems.set(`stream ${name}`, ours ? undefined : refused(line))
    if (ours) own.add(name)
    else own.delete(name)
    return ours
  }

  /** @throws Foreign unless the stream is this system's; asked right before anything is done to it */
  async function requireOwn(name: string): Promise<StreamInfo> {
    const info = await jsm().streams.info(name)
    const { description } = info.config
    if (!checkStream(name, readMark(description), description)) throw new Foreign(`the stream ${name} is not ours`)
    return info
  }

  /** The names of the streams that take the subjects of one that is not there: it could not be made. */
  async function inTheWay(name: string): Promise<string[]> {
    const subjects = streams.find((stream) => stream.name === name)?.subjects ?? []
    const found = new Set<string>()
    for (const subject of subjects) for await (const other of jsm().streams.names(subject)) found.add(other)
    found.delete(name)
    const list = [...found].join(', ')
    const line = `the stream ${list} takes subjects of the stream ${name} (${subjects.join(', ')}). ${WHAT_TO_DO}`
    problems.set(`stream ${name}`, found.size > 0 ? refused(line) : undefined)
    return [...found]
  }

  /** Whose the stream is that a durable reads: who reads may not look at the stream itself. @throws unless it is ours */
  async function requireOwnDurable({ stream, durable }: Subscription, consumer: Consumer | undefined) {
    const line = consumer && foreignDurable(stream, readMark((await consumer.info(true)).config.description))
    problems.set(`durable ${durable}`, line)
    if (line !== undefined) throw new Foreign(line)
    if (!consumer) throw new Error(`there is no durable ${durable}`)
    return consumer
  }

  function foreignDurable(stream: string, mark: Mark | undefined): string | undefined {
    const { systemId, currency } = deployment
    if (!mark) return `the stream ${stream} has a durable of this service that does not say whose it is: not read`
    if (mark.systemId !== systemId) {
      return refused(`the stream ${stream} belongs to the system ${mark.systemId}; this is ${systemId}. ${WHAT_TO_DO}`)
    }
    if (mark.currency === currency) return undefined
    return refused(
      `the stream ${stream} is in ${mark.currency}, CURRENCY here is ${currency}: set it alike in all services.`,
    )
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
      health = watchBroker(connection, { problems, streamMaxBytes: options.streamMaxBytes, platform })
      js = jetstream(health.watched, { timeout: REQUEST_TIMEOUT_MS })
      manager = await jetstreamManager(health.watched, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false })
      publisher = createPublisher(connection, createInbox(options.inboxPrefix), platform)
      for (const subject of signalListeners.keys()) subscribe(connection, subject)
      claim?.listen(connection)
      void watch(connection)
      await admit()
    },

    async close() {
      closing = true
      clock.close()
      health?.stop()
      claim?.close()
      // Acks and naks of the last moment leave two turns later (see `later`), and a drain lets them out. A broker that
      // stands still never answers it.
      for (let turn = 0; turn < 3; turn += 1) await new Promise<void>(platform.setImmediate)
      const drained = connected ? nc?.drain().catch(() => undefined) : undefined
      if (drained) await atMost(DRAIN_MS_MAX, drained)
      await nc?.close()
      lose()
    },

    signal(subject) {
      if (!connected) return
      nc?.publish(subject)
      // The server does not send it back to this connection.
      platform.setImmediate(() => signalListeners.get(subject)?.listener())
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
      await atMost(
        LISTENING_WAIT_MS,
        nc.flush().catch(() => undefined),
      )
    },

    async stream(name, recorded) {
      watchDeletion(name)
      const info = await orMissing(jsm().streams.info(name), JetStreamApiCodes.StreamNotFound)
      if (!info) return (await inTheWay(name)).length > 0 ? 'foreign' : undefined
      const { description } = info.config
      const incarnation = unmarkedIncarnation(description)
      if (incarnation !== undefined && incarnationText(incarnation) === recorded) {
        const marked = await jsm().streams.update(name, { description: markText({ ...deployment, incarnation }) })
        own.add(name)
        return streamState(marked)
      }
      return checkStream(name, readMark(description), description) ? streamState(info) : 'foreign'
    },
    async createStream(definition: StreamDefinition) {
      watchDeletion(definition.name)
      const info = await jsm().streams.add({
        name: definition.name,
        description: markText({ ...deployment, incarnation: platform.newId() }),
        subjects: [...definition.subjects],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_bytes: options.streamMaxBytes,
        discard: DiscardPolicy.New,
      })
      own.add(definition.name)
      return streamState(info)
    },
    async updateStream({ name }) {
      const { config } = await requireOwn(name)
      if (config.max_bytes === options.streamMaxBytes) return
      await jsm().streams.update(name, { max_bytes: options.streamMaxBytes })
    },
    async deleteStream(name) {
      const found = await orMissing(requireOwn(name), JetStreamApiCodes.StreamNotFound)
      if (found) await orMissing(jsm().streams.delete(name), JetStreamApiCodes.StreamNotFound)
      nc?.publish(deletionSubject(name))
    },
    async purge(stream, seq) {
      await requireOwn(stream)
      await jsm().streams.purge(stream, { seq })
    },
    async messageId(stream, seq) {
      const message = await jsm().streams.getMessage(stream, { seq })
      return message?.header.get('Nats-Msg-Id')
    },
    publish(stream, messages, lastSeq) {
      if (!publisher || !connected) return Promise.reject(new PublishFailed('not connected to NATS'))
      if (!own.has(stream))
        return Promise.reject(new PublishFailed(`${stream} was deleted: whose it is now is not known`))
      const mark = { 'Nats-Expected-Stream': stream, [SYSTEM_HEADER]: deployment.systemId }
      return publisher.publish(messages, lastSeq, mark, listeners)
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
          marked: info.config.description === markText(deployment),
        }
      )
    },
    async createDurable(subscription) {
      await requireOwn(subscription.stream)
      await jsm().consumers.add(subscription.stream, {
        ...durableConfig(subscription),
        description: markText(deployment),
      })
    },
    async markDurable({ stream, durable }) {
      await requireOwn(stream)
      await jsm().consumers.update(stream, durable, { description: markText(deployment) })
    },
    async deleteDurable({ stream, durable }) {
      await requireOwn(stream)
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
        const consumer = await orMissing(js.consumers.get(stream, durable), JetStreamApiCodes.ConsumerNotFound)
        const verified = await requireOwnDurable(subscription, consumer)
        messages = await verified.consume({
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
              else yield toDelivery(message, settleLater, () => stale)
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

function toDelivery(message: JsMsg, settleLater: (settle: () => unknown) => void, stale: () => boolean): Delivery {
  return {
    subject: message.subject,
    data: message.data,
    get headers() {
      return Object.fromEntries([...(message.headers ?? [])].map(([name, values]) => [name, values.join(', ')]))
    },
    streamSeq: message.seq,
    deliveries: message.info.deliveryCount,
    ack: () => settleLater(() => stale() || message.ack()),
    nak: (delayMs) => settleLater(() => stale() || message.nak(delayMs)),
    term: () => settleLater(() => stale() || message.term()),
  }
}

/**
 * When the event loop was held up (a slow COMMIT, a stopped process), the news that the durable was made anew lies unread
 * in the socket. Two turns on the loop has surely polled: the first setImmediate may run before it does. What is settled
 * in one turn leaves in one write.
 */
function createSettling({ setImmediate }: Platform) {
  let asked: (() => unknown)[] = []
  let waited: (() => unknown)[] = []

  function turn(): void {
    const due = waited
    waited = asked
    asked = []
    if (waited.length > 0) setImmediate(turn)
    for (const settle of due) settle()
  }

  return (settle: () => unknown): void => {
    if (asked.push(settle) === 1 && waited.length === 0) setImmediate(turn)
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

/** As it stands in the files since version 0.1. */
const incarnationText = (incarnation: string): string => `incarnation ${incarnation}`

/** How a line begins that says why what is at the broker is not used. The start of the system ends with such a line. */
const refused = (line: string): string => `${REFUSED}${line}`

const quoted = (description: string | undefined): string => JSON.stringify((description ?? '').slice(0, 100))

// Not `created`: server 2.9 replaces it by the time of the last recovery when the configuration is updated.
const streamState = (info: StreamInfo): StreamState => ({
  incarnation: incarnationText(readMark(info.config.description)?.incarnation ?? ''),
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

/**
 * Publishes whole batches over one reply subscription. The client's own publish makes a promise, a timer and a reply
 * subject per message; with three messages per order that is the larger part of its cost.
 */
function createPublisher(nc: NatsConnection, inbox: string, { setTimeout, clearTimeout }: Platform) {
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
    publish(
      messages: readonly Outgoing[],
      lastSeq: number,
      own: Readonly<Record<string, string>>,
      connection: Set<(c: boolean) => void>,
    ): Promise<void> {
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
          for (const [name, value] of Object.entries(own)) h.set(name, value)
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
