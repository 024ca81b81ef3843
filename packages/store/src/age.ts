/**
 * The ages of a file: how long somebody has looked after it, counted in ms on the monotonic clocks of its instances and
 * kept in the file. What is purged, or due, after some time is measured by an age. The wall clock would not do: it may be
 * set a day ahead and back again, and different processes may see different ones.
 *
 * Only the holder of the lease counts an age on, and only while something is measured by it: an idle service writes
 * nothing. So an age stands still while nobody runs or nothing waits. Whatever is measured lasts at least as long as it
 * should, and longer by the time that nobody was there.
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import { eq, type SQL, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Migration, Session } from './engine.ts'
import type { Lease } from './lease.ts'
import type { AgeName, AgeReads, AgeWrites, KeptAges, LeaseWrites, Write } from './port.ts'
import { queries } from './queries.ts'

/** How often an age that is needed is written to the file. An instance killed before that has counted for nothing. */
export const AGE_STEP_MS: Readonly<Record<AgeName, number>> = { retention: 30_000, schedule: 5_000 }

/**
 * The age that a row gets may be behind the true one by this much. So a row is older than X only once the age has grown by
 * X and this.
 */
export const ageLag = (stepMs: number): number => 2 * stepMs

export const ageMigrations: readonly Migration[] = [
  {
    name: 'ages/1',
    sql: `
      CREATE TABLE ages (name TEXT PRIMARY KEY, ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO ages (name, ms) VALUES ('retention', 0), ('schedule', 0);`,
  },
]

const ages = sqliteTable('ages', { name: text('name').primaryKey().$type<AgeName>(), ms: integer('ms').notNull() })

/** The age that a row gets which is written now. */
export const ageNow = (name: AgeName): SQL<number> => sql`(SELECT ms FROM ages WHERE name = ${sql.raw(`'${name}'`)})`

export function ageWrites(writer: Session): AgeWrites {
  const p = sql.placeholder
  const add = queries(writer)
    .update(ages)
    .set({ ms: sql`${ages.ms} + ${p('ms')}` })
    .where(eq(ages.name, p('name')))
    .returning({ ms: ages.ms })
    .prepare()
  return {
    async add(name, ms) {
      const added = await add.get({ name, ms })
      if (!added) throw new Error(`there is no age ${name}`)
      return added.ms
    },
  }
}

export function ageReads(reader: Session): AgeReads {
  const find = queries(reader)
    .select({ ms: ages.ms })
    .from(ages)
    .where(eq(ages.name, sql.placeholder('name')))
    .prepare()
  return { of: async (name) => (await find.get({ name }))?.ms ?? 0 }
}

/** @param order the column by which the rows are in the order of their ages; it has an index, and is never negative */
export function keptAges(reader: Session, table: string, age: string, order: string): KeptAges {
  const [first, last] = ['ASC', 'DESC'].map((direction) =>
    reader.prepare(`SELECT ${age} FROM ${table} WHERE ${order} >= 0 ORDER BY ${order} ${direction} LIMIT 1`),
  )
  return {
    oldest: async () => (await first?.get([]))?.[0] as number | undefined,
    newest: async () => (await last?.get([]))?.[0] as number | undefined,
  }
}

export interface Age {
  /**
   * The age, ms; never less than it was. To the millisecond while `count` is called, behind where it was not. Only for the
   * holder of the lease. A transaction is told it and does not ask: what it awaits is `tx`.
   * @throws the store's trouble
   */
  now(): Promise<number>
  /**
   * To be called at least once per second while something is measured by this age; writes once per step.
   * @throws LeaseLost, or the store's trouble; then nothing was counted.
   */
  count(): Promise<void>
}

export function createAge(options: {
  name: AgeName
  stepMs?: number
  read: AgeReads
  write: Write<{ ages: AgeWrites; lease: LeaseWrites }>
  lease: Pick<Lease, 'onAcquired'>
  platform: Platform
}): Age {
  const { name, read, write, lease, platform } = options
  const stepMs = options.stepMs ?? AGE_STEP_MS[name]
  /** The age in the file, and when on this process's monotonic clock it was that. */
  let counted = { ms: -1, at: 0 }
  /** When the lease was acquired, until the file has been read since. */
  let acquired: { at: number } | undefined = { at: platform.monotonic() }
  let counting = false

  lease.onAcquired(() => {
    acquired = { at: platform.monotonic() }
  })

  /** Others may have counted while this instance did not hold the lease. */
  async function catchUp(): Promise<void> {
    while (acquired) {
      const since = acquired
      const ms = await read.of(name)
      // Equal: as this instance left it, so the time since then is still to be counted. Less: it has counted since the read.
      if (ms > counted.ms) counted = { ms, at: since.at }
      // Acquired once more meanwhile: what was read may be older than that.
      if (acquired === since) acquired = undefined
    }
  }

  /** What has passed since. Never more than the lag at once: rows were written in that time, at the age in the file. */
  const passed = () => Math.min(Math.floor(platform.monotonic() - counted.at), ageLag(stepMs))

  return {
    async now() {
      await catchUp()
      return counted.ms + passed()
    },
    async count() {
      await catchUp()
      const ms = passed()
      if (counting || ms < stepMs) return
      counting = true
      const at = platform.monotonic()
      try {
        const age = await write(async (tx) => {
          await tx.lease.assertHeld()
          return tx.ages.add(name, ms)
        })
        counted = { ms: age, at }
      } finally {
        counting = false
      }
    },
  }
}
