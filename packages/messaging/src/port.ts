/**
 * The store's port, as far as the messaging has it: the tables of every service that sends or receives events, whatever the
 * engine; see @checkout/store/port.ts.
 */
import type { EventData, EventType } from '@checkout/contracts/events.ts'
import type { AgeReads, AgeWrites, KeptAges, LeaseReads, LeaseWrites } from '@checkout/store/port.ts'

/** What a transaction can do with the messaging's tables. */
export interface MessagingTx {
  readonly lease: LeaseWrites
  readonly ages: AgeWrites
  readonly outbox: OutboxWrites
  readonly inbox: InboxWrites
  readonly deadLetters: DeadLetterWrites
  readonly parked: ParkedWrites
  readonly claim: ClaimWrites
}

export interface MessagingReads {
  readonly lease: LeaseReads
  readonly ages: AgeReads
  readonly outbox: OutboxReads
  readonly inbox: KeptAges
  readonly deadLetters: DeadLetterReads
  readonly parked: ParkedReads
  readonly claim: ClaimReads
}

export interface OutboxRow {
  /** Ascending in the order of the commits; never used twice. */
  readonly id: number
  readonly eventId: string
  readonly type: EventType
  readonly correlationId: string
  /** The CloudEvent, as JSON. */
  readonly event: string
  readonly traceparent: string | null
  readonly createdAt: number
}

/** Outbox ids `firstId…lastId` are at the sequences `firstSeq…lastSeq` of one incarnation of the stream. */
export interface Publication {
  readonly firstId: number
  readonly lastId: number
  readonly lastEventId: string
  readonly firstSeq: number
  readonly lastSeq: number
}

/** What an event says besides its data. */
export interface EventContext {
  /** The order, or for users.* the user, that it is about. */
  readonly correlationId: string
  /** Id of the event that caused it; none when a request did. */
  readonly causationId?: string | undefined
  /** The trace of the request or event that caused it; a new trace when there is none. */
  readonly traceparent?: string | undefined
  /** Only for a re-emission: the id that the event had the first time. */
  readonly eventId?: string | undefined
}

export interface OutboxWrites {
  /** Adds an event behind all others; it is published once this transaction is committed. Returns its id. */
  append<T extends EventType>(type: T, data: EventData<T>, context: EventContext): Promise<string>
  /**
   * Up to where a durable must have read the stream to have read the newest event of a type about somebody: Infinity
   * when it is not published. Of one that is retired it is a position that it came before.
   */
  position(type: EventType, correlationId: string): Promise<number>
  /** Records that a batch is in the stream, since the wall time `at`. */
  published(publication: Publication, at: number): Promise<void>
  readonly arrears: ArrearsWrites
  /** The stream was made anew: everything retained is unpublished again, so nobody is in arrears. */
  restart(incarnation: string): Promise<void>
  /** Whether the stream is still that one: what was read about another does not count. */
  isOf(incarnation: string): Promise<boolean>
  /** Said before the messages before `seq` are purged: that they are gone is then no loss. */
  purging(seq: number): Promise<void>
  /** Appends these rows again, as the same events. Returns the last one's new id. */
  repeat(rows: readonly OutboxRow[]): Promise<number>
  /**
   * Deletes up to `limit` rows, oldest first, of those with ids up to `upToId`, and up to `limit` publications of which
   * no row is left. Returns how many rows or publications it deleted, whichever is more: `limit` says that there may be
   * more to delete.
   */
  retire(upToId: number, limit: number): Promise<number>
}

export interface OutboxReads {
  /** The next rows to publish, in order. */
  take(after: number, limit: number): Promise<OutboxRow[]>
  /** The newest recorded publication: everything up to it is in the stream. */
  lastPublication(): Promise<Publication | undefined>
  readonly arrears: ArrearsReads
  /** From this sequence on the stream must have every message: their rows are retained, and we have not purged them. */
  oldestSeq(): Promise<number | undefined>
  /** The retained row that was published at a sequence of the stream. */
  idAt(seq: number): Promise<number | undefined>
  incarnation(): Promise<string | undefined>
  /** Of the oldest `limit` publications the newest wholly at or before `seq` that is at least `ageMs` old by the store's age. */
  newestRetirable(seq: number, ageMs: number, limit: number): Promise<Publication | undefined>
  /** The store's age at the newest publication. */
  newestAge(): Promise<number | undefined>
  /** How much waits to be published, and since when. Takes as long for a million rows as for one. */
  backlog(): Promise<{ rows: number; oldestMs: number }>
  /** The retained events about one order or user, with where in the stream they are. */
  about(correlationId: string): Promise<{ row: OutboxRow; publishedAt?: number; streamSeq?: number }[]>
}

/** Outbox ids `fromId…toId`, both included, of which the durable may lack those of its subject. */
export interface Arrears {
  readonly durable: string
  readonly fromId: number
  readonly toId: number
}

export interface ArrearsWrites {
  /** Joins what overlaps or touches. */
  note(arrears: Arrears): Promise<void>
  /** Settles them up to an id. False, and nothing done, when they are not there any more. */
  settle(arrears: Arrears, upToId: number): Promise<boolean>
  /** Rows from this id on may be in somebody's arrears. */
  oldestId(): Promise<number | undefined>
}

export interface ArrearsReads {
  /** The oldest of a durable. */
  first(durable: string): Promise<Arrears | undefined>
  /** How many rows may be missing, by durable. An upper bound: rows of other subjects are counted too. */
  spans(): Promise<{ durable: string; rows: number }[]>
}

export interface InboxWrites {
  /** True the first time that this event is seen: its effect belongs into this transaction. */
  claim(eventId: string): Promise<boolean>
  /** Forgets up to `limit` ids older than `ageMs` by the store's age, oldest first; returns how many. */
  purge(ageMs: number, limit: number): Promise<number>
}

/** A message that was put aside, as it came. */
export interface NewDeadLetter {
  readonly consumer: string
  /** The event's id, or sha256:… of a message that has none. */
  readonly eventKey: string
  readonly subject: string
  readonly message: string
  /** Its NATS headers, as JSON. */
  readonly headers: string
  readonly error: string
  readonly attempts: number
}

export interface DeadLetterRow extends NewDeadLetter {
  /** Ascending in the order in which they were added. */
  readonly seq: number
  readonly id: string
  readonly createdAt: number
}

export interface DeadLetterWrites {
  /** Stores the message; once per consumer and event, whatever is redelivered. */
  add(letter: NewDeadLetter): Promise<void>
  /** Returns whether it was there. */
  remove(id: string): Promise<boolean>
}

export interface DeadLetterReads {
  /** Newest first, before the sequence `before`. */
  list(before: number, limit: number): Promise<DeadLetterRow[]>
  one(id: string): Promise<DeadLetterRow | undefined>
  count(): Promise<number>
}

export interface NewParked extends Omit<NewDeadLetter, 'error'> {
  readonly streamSeq: number
  /** Of the message, when it was parked. */
  readonly deliveries: number
}

export interface ParkedRow extends NewParked {
  /** Ascending in the order in which the rows failed last; never used twice. */
  readonly id: number
}

export interface ParkedWrites {
  /** Keeps the message, unless it is kept already, here or as a dead letter: then nothing is counted. */
  add(message: NewParked): Promise<void>
  has(consumer: string, eventKey: string): Promise<boolean>
  /** Returns whether it was there. */
  remove(id: number): Promise<boolean>
  /** Writes something that needs space of its own, so that a full disk shows, and deletes it again. */
  probe(): Promise<void>
}

export interface ParkedReads {
  /** The id of the row that failed last; undefined when nothing is parked. */
  newest(): Promise<number | undefined>
  /** Rows with that many failures and an id up to `upTo`, longest waiting first. */
  failed(attempts: number, upTo: number, limit: number): Promise<ParkedRow[]>
}

/** Nonces by which instances on one store know each other; see claim.ts. */
export interface ClaimWrites {
  /** Keeps it, among the newest thousand. */
  note(nonce: string): Promise<void>
}

export interface ClaimReads {
  noted(nonce: string): Promise<boolean>
}
