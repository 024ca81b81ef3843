/**
 * The lease: of the instances that share a file, one does the relaying, sweeping, mailing and cleaning up.
 *
 * Who holds it stands in the store. That the holder lives shows in its pulse: whoever has seen the pulse stand still for
 * 1 s of its own monotonic clock may take the lease over, so no two clocks are ever compared. A holder that was stopped and
 * wakes up is fenced: what it records, it records under `assertHeld` in the same transaction, and that excludes all writers.
 *
 * On SQLite the pulse is a small file beside the database, because it need not be durable: processes that share a file share
 * its page cache, and after a power cut nobody is left to be compared with. A beat there overwrites one cached page, which
 * the system writes back twice a minute. On PostgreSQL it is a column: other hosts see nothing else.
 */
import type { Platform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { eq, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Migration, Session } from './engine.ts'
import type { LeaseReads, LeaseWrites, Write } from './port.ts'
import { queries } from './queries.ts'

/** Free when its holder's pulse has stood still for this long. */
export const LEASE_EXPIRES_MS = 1_000
/** The holder beats, and the others look, this often. */
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
    postgres: `
      CREATE TABLE lease (
        id BIGINT PRIMARY KEY CHECK (id = 1),
        holder TEXT,
        counter BIGINT NOT NULL,
        pulse BIGINT NOT NULL DEFAULT 0
      );
      INSERT INTO lease (id, holder, counter) VALUES (1, NULL, 0);`,
  },
]

const lease = sqliteTable('lease', {
  id: integer('id').primaryKey(),
  holder: text('holder'),
  /** How often the lease has changed hands. */
  counter: integer('counter').notNull(),
})

/** This instance does not hold the lease (any more): what it was about to record is somebody else's to do. */
export class LeaseLost extends Error {
  constructor() {
    super('the lease is held by another instance')
  }
}

export function leaseWrites(session: Session, holder: string): LeaseWrites {
  const db = queries(session)
  const p = sql.placeholder
  const mine = eq(lease.holder, holder)
  const next = { counter: sql`${lease.counter} + 1` }
  let beats = 0
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
  const beat = session.pulse ? undefined : session.prepare('UPDATE lease SET pulse = pulse + 1 WHERE holder = ?')
  return {
    async renew() {
      if (beat) return (await beat.run([holder])).changes === 1
      if (!(await held.get())) return false
      beats += 1
      return session.pulse?.beat(beats) ?? false
    },
    take: async (counter) => (await take.run({ counter })).changes === 1,
    release: async () => void (await release.run()),
    async assertHeld() {
      if (!(await held.get())) throw new LeaseLost()
    },
  }
}

export function leaseReads(session: Session): LeaseReads {
  const current = queries(session).select().from(lease).where(eq(lease.id, 1)).prepare()
  const pulse = session.pulse ? undefined : session.prepare('SELECT pulse FROM lease')
  return {
    async current() {
      const { holder, counter } = (await current.get()) as { holder: string | null; counter: number }
      return { holder, counter, pulse: pulse ? String((await pulse.get([]))?.[0]) : session.pulse?.seen() }
    },
  }
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
  read: LeaseReads
  write: Write<{ lease: LeaseWrites }>
  platform: Platform
}): Lease {
  const { read, write, platform } = options
  const stopping = new AbortController()
  const listeners: (() => void)[] = []
  let renewedAt = Number.NEGATIVE_INFINITY
  let seen: { counter: number; pulse: string | undefined; since: number } = { counter: -1, pulse: '', since: 0 }
  let loop: Promise<void> | undefined

  const held = () => !stopping.signal.aborted && platform.monotonic() - renewedAt < LEASE_TRUSTED_MS

  async function tick(): Promise<void> {
    // Taken before the write: the others may have seen the old pulse from this moment on.
    const now = platform.monotonic()
    let wasHeld: boolean
    if (renewedAt > Number.NEGATIVE_INFINITY) {
      const renewed = await write((tx) => tx.lease.renew())
      // Asked only now: the lease may have run out while the write waited.
      wasHeld = held()
      renewedAt = renewed ? now : Number.NEGATIVE_INFINITY
    } else {
      const { holder, counter, pulse } = await read.current()
      // The time after the read: a pause in between (SIGSTOP, a suspended machine) must not count as a standstill.
      const moved = counter !== seen.counter || pulse !== seen.pulse
      if (moved || pulse === undefined) seen = { counter, pulse, since: platform.monotonic() }
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
      await platform.sleep(LEASE_TICK_MS, stopping.signal)
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
