/**
 * What an engine is to the store: sessions to prepare statements on, and transactions for the unit of work. The SQL is the
 * same for all of them, the subset that SQLite and PostgreSQL both speak, with `?` for values.
 */

/** SQLite answers at once, PostgreSQL later; `await` takes both. */
export type Answering<T> = T | Promise<T>

/** A row is the array of its values, in the order in which they were selected. */
export type RawRow = unknown[]

export interface Statement {
  run(values: readonly unknown[]): Answering<{ readonly changes: number }>
  get(values: readonly unknown[]): Answering<RawRow | undefined>
  all(values: readonly unknown[]): Answering<RawRow[]>
}

export interface Session {
  readonly engine: 'sqlite' | 'postgres'
  prepare(sql: string): Statement
  /** The id of a new row of a table that has ids in the order of the commits; null when the engine gives it by itself. */
  nextId(table: string): number | null
  /** How the holder of the lease shows that it lives. Absent: in the lease's row. */
  readonly pulse?: Pulse
}

/** A sign of life beside the database, where it need not be durable. */
export interface Pulse {
  /** Whether the others can see it. */
  beat(count: number): boolean
  /** Whatever it says, it changes with every beat; undefined when it cannot be seen just now: that is no sign of death. */
  seen(): string | undefined
}

/** A database of one service. */
export interface Engine {
  /** Of the one transaction that is open; reads through it see what it has written. */
  readonly writer: Session
  /** Committed rows only. */
  readonly reader: Session
  readonly transactions: Transactions
  /** Resolves when the database is there in its newest schema. @throws what an operator has to mend, in its message */
  open(): Promise<void>
  /** Something that is another after each commit of anybody; undefined when it cannot be read just now. */
  version(): Answering<unknown>
  /** How often `version` is to be asked for, ms. */
  readonly versionEveryMs: number
  /** Whether it can be read. @throws never */
  usable(): Promise<boolean>
  close(): Answering<void>
}

/** The transactions of one session, one at a time. */
export interface Transactions {
  /** @throws a storage error when it cannot begin just now, such as because another instance writes */
  begin(): Answering<void>
  /** Whether a transaction is open: an engine may have dropped it after an error. */
  open(): boolean
  savepoint(): Answering<void>
  release(): Answering<void>
  /** Undoes everything since the savepoint, which stays. */
  undo(): Answering<void>
  /**
   * @throws a storage error when it is certain that nothing is stored; OutcomeUnknown when it could not be found out in
   * time whether everything is, or nothing
   */
  commit(): Answering<void>
  rollback(): Answering<void>
  /**
   * Runs a callback and says whether it awaited anything but this session's statements, holding the transaction open
   * meanwhile. Ends when the callback ends.
   */
  watch<T>(work: () => Promise<T>): Promise<{ overran: boolean } & ({ value: T } | { error: unknown })>
}

/** It could not be found out in time whether a write is stored. Repeating it with the same Idempotency-Key tells. */
export class OutcomeUnknown extends Error {
  readonly code = 'OUTCOME_UNKNOWN'
}

export interface Migration {
  /** Unique and never changed once released, such as `orders/1`. */
  readonly name: string
  readonly sql: string
  /** Where PostgreSQL needs other words than `postgresText` finds. */
  readonly postgres?: string
}
