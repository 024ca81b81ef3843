/**
 * The clean-up: deletes what was kept long enough, by the file's age (see age.ts), in the instance that holds the lease.
 * It also counts that age on, while there is anything that it measures.
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import { AGE_STEP_MS, ageLag, createAge } from '@checkout/store/age.ts'
import type { Lease } from '@checkout/store/lease.ts'
import type { AgeReads, AgeWrites, KeptAges, LeaseWrites, Write } from '@checkout/store/port.ts'
import type { DutyOptions } from './duty.ts'

const CLEAN_UP_EVERY_MS = 2_000

/** Rows that are deleted some time after they were written. */
export interface Kept<Tx> {
  readonly ages: Pick<KeptAges, 'newest'> & Partial<KeptAges>
  /** At least this long. */
  readonly forMs: number
  /** Deletes up to `limit` rows older than `ageMs`, oldest first; returns how many. Absent: somebody else deletes them. */
  purge?(tx: Tx, ageMs: number, limit: number): Promise<number>
}

/** How often the age of what is kept so long is counted: for a test with a short time more often than for ten minutes. */
export const retentionStep = (forMs: number): number => Math.min(AGE_STEP_MS.retention, forMs)

/** How old by the file's age a row is for certain when it was kept for `forMs`. */
export const keptAge = (forMs: number, stepMs: number): number => forMs + ageLag(stepMs)

export function cleanUp<Tx extends { ages: AgeWrites; lease: LeaseWrites }>(options: {
  kept: readonly Kept<Tx>[]
  stepMs: number
  /** Rows of one kind per transaction. */
  limit: number
  ages: AgeReads
  write: Write<Tx>
  lease: Lease
  platform: Platform
}): Pick<DutyOptions, 'name' | 'everyMs' | 'round'> {
  const { kept, stepMs, limit, ages, write, lease, platform } = options
  const age = createAge({ name: 'retention', stepMs, read: ages, write, lease, platform })
  const oldEnough = async ({ forMs }: Kept<Tx>, written: number) =>
    written + keptAge(forMs, stepMs) <= (await ages.of('retention'))
  const hasYoung = async (one: Kept<Tx>) => {
    const newest = await one.ages.newest()
    return newest !== undefined && !(await oldEnough(one, newest))
  }
  const hasOld = async (one: Kept<Tx>) => {
    const oldest = await one.ages.oldest?.()
    return oldest !== undefined && (await oldEnough(one, oldest))
  }
  const those = async (have: (one: Kept<Tx>) => Promise<boolean>) => {
    const found = await Promise.all(kept.map(have))
    return kept.filter((_, i) => found[i])
  }

  return {
    name: 'clean-up',
    everyMs: CLEAN_UP_EVERY_MS,
    async round() {
      if ((await those(hasYoung)).length > 0) await age.count()
      const due = await those(hasOld)
      if (due.length === 0) return false
      const deleted = await write(async (tx) => {
        await tx.lease.assertHeld()
        const counts: number[] = []
        for (const one of due) counts.push((await one.purge?.(tx, keptAge(one.forMs, stepMs), limit)) ?? 0)
        return counts
      })
      return deleted.includes(limit)
    },
  }
}
