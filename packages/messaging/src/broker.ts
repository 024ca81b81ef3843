/**
 * What the relay, the consumers and the retention need from a broker, and no more. `jetstream.ts` gives it on NATS
 * JetStream; a simulation can give it in memory.
 */
import type { StreamDefinition, Subscription } from '@checkout/contracts/topology.ts'

export interface StreamState {
  /** One life of the stream: a stream that was deleted and made again has another one. */
  readonly incarnation: string
  /** Of the oldest message; when there is none, of the next one. */
  readonly firstSeq: number
  readonly lastSeq: number
  /** What its messages take, and may take at most. */
  readonly bytes: number
  readonly maxBytes: number
}

export interface DurableState {
  /** Everything up to this stream sequence that the durable reads is acknowledged, or was purged. */
  readonly ackFloor: number
  readonly delivered: number
  /** Messages not yet delivered. */
  readonly pending: number
  /** Messages delivered and not yet acknowledged. */
  readonly ackPending: number
  /** How many times anything was delivered: it grows as long as somebody reads. */
  readonly deliveries: number
  /** Whether it says whose it is: this system's, in its currency. Whoever reads from it waits for that. */
  readonly marked: boolean
}

export interface Outgoing {
  readonly subject: string
  readonly messageId: string
  /** The event as it travels: the CloudEvent's JSON text. */
  readonly payload: string
  readonly traceparent: string | undefined
}

/** One delivery of one message. Exactly one of ack, nak and term is called, and only after COMMIT. */
export interface Delivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly streamSeq: number
  /** 1 for the first delivery. */
  readonly deliveries: number
  /**
   * These do nothing once the connection was lost or the durable re-created since the fetch: the sequence may by then
   * belong to another message.
   */
  ack(): void
  nak(delayMs: number): void
  term(): void
}

/** Messages of a durable as they come; ends when stopped, throws when the durable is gone or the connection lost. */
export interface Pull extends AsyncIterable<Delivery> {
  /** Ends the iteration; what was fetched and not yet iterated is nak'ed, so that others get it at once. */
  stop(): void
}

export interface Broker {
  /** There is a connection, and nobody else's claim stands against its use (claim.ts). */
  readonly connected: boolean
  /** What keeps it from being used as it should although it is connected, in one line; undefined when nothing does. */
  readonly problem: string | undefined
  /** Calls the listener when the connection was lost (false) or made (true); returns a function that unsubscribes. */
  onConnection(listener: (connected: boolean) => void): () => void

  /**
   * 'foreign': the stream is not this system's, or another one has its subjects; `problem` says so, and nothing may be done
   * to it. One of version 0.1, which does not say whose it is, becomes this system's when it is of the `recorded`
   * incarnation, and says so from then on.
   */
  stream(name: string, recorded?: string): Promise<StreamState | 'foreign' | undefined>
  /** The calls from here on @throws Foreign when the stream is not this system's, and then change nothing. */
  createStream(definition: StreamDefinition): Promise<StreamState>
  /** Gives an existing stream the limits that are configured now. */
  updateStream(definition: StreamDefinition): Promise<void>
  deleteStream(name: string): Promise<void>
  /** Deletes all messages before `seq`. */
  purge(stream: string, seq: number): Promise<void>
  /** The message id stored at a sequence; undefined when there is no such message. */
  messageId(stream: string, seq: number): Promise<string | undefined>
  /**
   * Publishes in order, pipelined, each message stating the sequence that it expects before it: the first one
   * `lastSeq`, and so on. Resolves when all are stored at exactly the following sequences.
   * @throws when any was refused, unanswered or a duplicate: how many were stored is then unknown.
   */
  publish(stream: string, messages: readonly Outgoing[], lastSeq: number): Promise<void>

  durable(subscription: Subscription): Promise<DurableState | undefined>
  createDurable(subscription: Subscription): Promise<void>
  /** Lets an existing one say whose it is. */
  markDurable(subscription: Subscription): Promise<void>
  deleteDurable(subscription: Subscription): Promise<void>
  /** @throws when the durable is not there, or does not say that it is this system's: nothing is taken from it then */
  pull(subscription: Subscription): Promise<Pull>
}

/**
 * Plain NATS beside the streams: at most once, to whoever listens at that moment. A signal carries nothing but its
 * subject and guarantees nothing: it says "look into your store", and whoever missed it looks a little later.
 */
export interface Signals extends Pick<Broker, 'connected' | 'onConnection'> {
  /** Does nothing without a connection. */
  signal(subject: string): void
  /**
   * Calls the listener with every signal on the subject, now or as soon as there is a connection, and over
   * reconnects; returns a function that ends it.
   */
  onSignal(subject: string, listener: () => void): () => void
  /**
   * Resolves when the server listens for everything that `onSignal` asked for: signals sent from then on arrive. Without
   * a connection, or when the server does not answer, it resolves all the same: `onConnection` tells when to look again.
   */
  listening(): Promise<void>
}
