/**
 * The store's port, as far as every service has it: what is behind `store.write` and `store.read`, whatever the engine. No
 * type here knows SQL or an engine.
 *
 * Transactions and reads answer promises and are awaited: un-awaited, a fence fences nothing, a refusal is nobody's and
 * whatever was not found is there (`npm run check` reports it). An error of the engine rejects the promise.
 */

/** One transaction. Awaits only `tx`, has no other effects and may run again; see unit-of-work.ts. */
export type Work<Tx, T> = (tx: Tx) => Promise<T>

/**
 * Runs `work` in a transaction and resolves once it is durable.
 * @throws what `work` throws (nothing of it is stored then), or StoreUnavailable.
 */
export type Write<Tx> = <T>(work: Work<Tx, T>, options?: WriteOptions) => Promise<T>

export interface WriteOptions {
  /** It may wait so long, ms, to share the COMMIT of a later write; after that it gets one of its own. Default: at once. */
  readonly patienceMs?: number
}

export interface Store<Tx, Reads> {
  readonly write: Write<Tx>
  /**
   * Committed rows only, and all that `write` answered for before the call. Each call is its own short read: two may
   * see different moments, and none outlives one page. Not for a transaction, which awaits only `tx`. After `close`
   * they reject.
   */
  readonly read: Reads
  /** Resolves when the database is there, in its newest schema. @throws what an operator has to mend, in its message */
  opened(): Promise<void>
  /** Calls the listener after commits: this process's at once, those of other instances within 50 ms. */
  onCommit(listener: () => void): void
  /** Whether the store can be read. @throws never */
  usable(): Promise<boolean>
  /** Commits and writes so far, and how many wait now. */
  stats(): { commits: number; writes: number; waiting: number }
  /** Finishes the waiting writes and closes the store. */
  close(): Promise<void>
}

/** Who of the instances of a service holds the lease; see lease.ts. */
export interface LeaseWrites {
  /**
   * Shows the others that the holder lives, if it still is the holder and they can see it; stores nothing. The write lock,
   * which every write has, keeps anybody from taking the lease in between.
   */
  renew(): Promise<boolean>
  /** Takes the lease if its counter is still the observed one. */
  take(counter: number): Promise<boolean>
  release(): Promise<void>
  /** @throws LeaseLost; awaited in a transaction, it fences everything else in it. */
  assertHeld(): Promise<void>
}

export interface LeaseReads {
  /** `pulse`: whatever it says, it changes as long as the holder lives; undefined when it cannot be seen just now. */
  current(): Promise<{ holder: string | null; counter: number; pulse: string | undefined }>
}

/** `retention`: of what is kept for minutes or hours. `schedule`: of what is tried again after seconds or minutes. */
export type AgeName = 'retention' | 'schedule'

/** The ages of a store, ms; see age.ts. */
export interface AgeWrites {
  /** Counts an age on; returns what it is now. */
  add(name: AgeName, ms: number): Promise<number>
}

export interface AgeReads {
  of(name: AgeName): Promise<number>
}

/** Of the rows of a table that are kept for a while: the ages at which the oldest and the newest were written. */
export interface KeptAges {
  /** Undefined when there is none. */
  oldest(): Promise<number | undefined>
  newest(): Promise<number | undefined>
}

/** What a client gets, now or again. */
export interface Answer<Body = unknown> {
  readonly status: number
  readonly body: Body
  readonly location?: string
  readonly replayed?: boolean
}

export interface IdempotentRequest {
  readonly userId: string
  /** Method and path pattern: the same key on another route is another key. */
  readonly route: string
  /** The Idempotency-Key header, or undefined when the client sent none. */
  readonly key: string | undefined
  /** The validated body. */
  readonly body: object
}

export interface IdempotencyWrites {
  /**
   * Runs `effect` unless this user sent this key on this route before; then its stored answer is returned with
   * `replayed`. Racing requests are serialised by the unit of work, so the later one finds the key.
   * @throws Problem idempotency_key_reused when the key came with another body; whatever `effect` throws (then no
   * key is stored).
   */
  once<Body>(request: IdempotentRequest, effect: () => Promise<Answer<Body>>): Promise<Answer<Body>>
  /** Deletes up to `limit` answers older than `ageMs` by the store's age, oldest first; returns how many. */
  purge(ageMs: number, limit: number): Promise<number>
}

/** Whose store it is. Asked for at start only. */
export interface DeploymentWrites {
  /** The store's currency: this one when it has none yet. */
  currency(currency: string): Promise<string>
  /** The system that the store belongs to; undefined until it was given one. */
  systemId(): Promise<string | undefined>
  /** Gives a store that has no system yet this one; returns the one that it has. Needs `currency` before. */
  pin(systemId: string): Promise<string>
}
