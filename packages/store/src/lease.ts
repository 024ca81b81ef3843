/**
 * The lease: of the instances that share a file, one does the relaying, sweeping, mailing and cleaning up.
 *
 * Who holds it stands in the file. That the holder lives shows in a small file beside it, the pulse: whoever has seen the
 * pulse stand still for 1 s of its own monotonic clock may take the lease over, so no two clocks are ever compared. A
 * holder that was stopped and wakes up is fenced: what it records, it records under `assertHeld` in the same transaction.
 *
 * The pulse is not in the database because it need not be durable: processes that share a file share its page cache, and
 * after a power cut nobody is left to be compared with. A beat there overwrites one cached page, which the system writes
 * back twice a minute; as a commit it was a page in the WAL, an fsync and a checkpoint, five times a second for ever.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import type { Platform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { eq, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { LeaseReads, LeaseWrites, Write } from './port.ts'
import { queries } from './queries.ts'
import type { Connection, Migration } from './sqlite.ts'

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

/** Beside the database's file; made by the first beat. Its content means nothing, only that it moves. */
const pulseFile = (db: Connection): string => `${db.name}-pulse`

/** Whether the others can see it. Never truncates: they would see that as a beat, and the system would write more. */
function beat(file: string, count: number): boolean {
  try {
    const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT, 0o644)
    try {
      writeSync(fd, String(count % 1e8).padStart(8, '0'), 0)
    } finally {
      closeSync(fd)
    }
    return true
  } catch {
    return false
  }
}

/** Undefined when it cannot be seen just now (no file descriptor is left, say): that is no sign of death. */
function pulseOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT' ? '' : undefined
  }
}

export function leaseWrites(writer: Connection, holder: string): LeaseWrites {
  const db = queries(writer)
  const p = sql.placeholder
  const mine = eq(lease.holder, holder)
  const next = { counter: sql`${lease.counter} + 1` }
  const pulse = pulseFile(writer)
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
  return {
    async renew() {
      if (!held.get()) return false
      beats += 1
      return beat(pulse, beats)
    },
    take: async (counter) => take.run({ counter }).changes === 1,
    release: async () => void release.run(),
    async assertHeld() {
      if (!held.get()) throw new LeaseLost()
    },
  }
}

export function leaseReads(reader: Connection): LeaseReads {
  const current = queries(reader).select().from(lease).where(eq(lease.id, 1)).prepare()
  const pulse = pulseFile(reader)
  return {
    async current() {
      const { holder, counter } = current.get() as { holder: string | null; counter: number }
      return { holder, counter, pulse: pulseOf(pulse) }
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
