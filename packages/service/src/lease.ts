/**
 * The lease: of the instances that share a file, one does the relaying, sweeping, mailing and cleaning up.
 *
 * It lives in the file. The holder moves a counter; whoever has seen the counter stand still for 1 s of its own
 * monotonic clock may take the lease over, so no two clocks are ever compared. A holder that was stopped and wakes up
 * is fenced: what it records, it records under `assertHeld` in the same transaction.
 */
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Clock } from './clock.ts'
import type { Connection, Migration } from './sqlite.ts'
import { isStorageError } from './storage-error.ts'

/** Free when its counter has stood still for this long. */
export const LEASE_EXPIRES_MS = 1_000
/** The holder moves the counter, and the others look at it, this often. */
export const LEASE_TICK_MS = 200
/** The holder stops acting on its own when it could not renew for this long: before anybody else may start. */
const LEASE_TRUSTED_MS = 800

export const leaseMigrations: readonly Migration[] = [
  {
    name: 'lease/1',
    sql: `
      CREATE TABLE lease (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        holder TEXT,
        counter INTEGER NOT NULL
      ) STRICT;
      INSERT INTO lease (id, holder, counter) VALUES (1, NULL, 0);`,
  },
]

const lease = sqliteTable('lease', {
  id: integer('id').primaryKey(),
  holder: text('holder'),
  counter: integer('counter').notNull(),
})

/** This instance does not hold the lease (any more): what it was about to record is somebody else's to do. */
export class LeaseLost extends Error {
  constructor() {
    super('the lease is held by another instance')
  }
}

export type LeaseWrites = ReturnType<typeof leaseWrites>
export function leaseWrites(writer: Connection, holder: string) {
  const db = drizzle(writer)
  const p = sql.placeholder
  const mine = eq(lease.holder, holder)
  const next = { counter: sql`${lease.counter} + 1` }
  const renew = db.update(lease).set(next).where(mine).prepare()
  const take = db
    .update(lease)
    .set({ ...next, holder })
    .where(eq(lease.counter, p('counter')))
    .prepare()
  const release = db
    .update(lease)
    .set({ ...next, holder: null })
    .where(mine)
    .prepare()
  const held = db.select({ id: lease.id }).from(lease).where(mine).prepare()
  return {
    renew: (): boolean => renew.run().changes === 1,
    /** Takes the lease if its counter is still the observed one. */
    take: (counter: number): boolean => take.run({ counter }).changes === 1,
    release: (): void => void release.run(),
    /** @throws LeaseLost; called in a transaction, it fences everything else in it. */
    assertHeld(): void {
      if (!held.get()) throw new LeaseLost()
    },
  }
}

export function leaseReads(reader: Connection) {
  const current = drizzle(reader).select().from(lease).where(eq(lease.id, 1)).prepare()
  return { current: () => current.get() as { holder: string | null; counter: number } }
}

export interface Lease {
  /** Whether this instance may act now. */
  held(): boolean
  /** Calls the listener whenever `held()` turned true. */
  onAcquired(listener: () => void): void
  start(): void
  /** Gives the lease up, so that another instance takes over at once. */
  stop(): Promise<void>
}

export function createLease(options: {
  read: ReturnType<typeof leaseReads>
  write: <T>(work: (tx: { lease: LeaseWrites }) => T) => Promise<T>
  clock: Clock
}): Lease {
  const { read, write, clock } = options
  const stopping = new AbortController()
  const listeners: (() => void)[] = []
  let renewedAt = Number.NEGATIVE_INFINITY
  let seen = { counter: -1, since: 0 }
  let loop: Promise<void> | undefined

  const held = () => !stopping.signal.aborted && clock.monotonic() - renewedAt < LEASE_TRUSTED_MS

  async function tick(): Promise<void> {
    // Taken before the write: the others may have seen the old counter from this moment on.
    const now = clock.monotonic()
    let wasHeld: boolean
    if (renewedAt > Number.NEGATIVE_INFINITY) {
      const renewed = await write((tx) => tx.lease.renew())
      // Asked only now: the lease may have run out while the write waited.
      wasHeld = held()
      renewedAt = renewed ? now : Number.NEGATIVE_INFINITY
    } else {
      const { holder, counter } = read.current()
      // The time after the read: a pause in between (SIGSTOP, a suspended machine) must not count as a standstill.
      if (counter !== seen.counter) seen = { counter, since: clock.monotonic() }
      wasHeld = false
      if (holder === null || now - seen.since >= LEASE_EXPIRES_MS) {
        if (await write((tx) => tx.lease.take(counter))) renewedAt = now
      }
    }
    if (!wasHeld && held()) for (const listener of listeners) listener()
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await tick()
      } catch (error) {
        // A locked or full file: nobody can renew or take it either, so trying again is all there is to do.
        if (!isStorageError(error)) throw error
      }
      await clock.sleep(LEASE_TICK_MS, stopping.signal)
    }
  }

  return {
    held,
    onAcquired: (listener) => void listeners.push(listener),
    start() {
      loop = run()
    },
    async stop() {
      stopping.abort()
      await loop
      await write((tx) => tx.lease.release()).catch(() => undefined)
    },
  }
}
