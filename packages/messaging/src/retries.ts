/**
 * Tries parked messages again, in the instance that holds the lease, with growing pauses; at the 10th failure one
 * becomes a dead letter.
 *
 * Pauses are measured by this process's monotonic clock: it notes which row was the newest one at which moment, and a
 * row is due when it was there for long enough. So no stored time is compared, and whoever takes over waits once more.
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { type Lease, LeaseLost } from '@checkout/store/lease.ts'
import type { LeaseWrites, Write } from '@checkout/store/port.ts'
import type { Logger } from 'pino'
import type { ConsumerTx, handledResults } from './consumer.ts'
import { Poison } from './decode.ts'
import { createDuty, type Duty } from './duty.ts'
import { type Handling, storedMessage } from './handling.ts'
import type { ParkedReads, ParkedRow } from './port.ts'

/** Failures of the handler itself after which a message is a dead letter. */
export const MAX_ATTEMPTS = 10
/** The first pause; it doubles up to the longest. */
const RETRY_MS = 50
const LONGEST = 100
/** Tried at once: a small part of a COMMIT, so that failing messages hold up neither good ones nor requests. */
const BATCH = 32
const LOOK_EVERY_MS = 25
/** The instance that parks a message wakes its own duty; those of other instances are found by this. */
const POLL_MS = 500

export interface RetriesOptions<Tx extends ConsumerTx> {
  handling: Handling<Tx & { lease: LeaseWrites }>
  parked: ParkedReads
  write: Write<Tx & { lease: LeaseWrites }>
  lease: Lease
  platform: Platform
  logger: Logger
  /** The first pause, ms; 50 unless a test says otherwise. */
  retryMs?: number
  onHandled?: (type: string, result: (typeof handledResults)[number]) => void
}

export function createRetries<Tx extends ConsumerTx>(options: RetriesOptions<Tx>): Duty {
  const { handling, parked, write, lease, platform, logger, retryMs = RETRY_MS } = options
  /** The newest row's id at moments of the monotonic clock, oldest first: as long as the longest pause needs them. */
  let seen: { id: number; at: number }[] = []

  const pauseAfter = (attempts: number) => Math.min(retryMs * 2 ** (attempts - 1), retryMs * LONGEST)

  async function round(signal: AbortSignal): Promise<boolean> {
    const newest = await parked.newest()
    if (newest === undefined) {
      seen = []
      return false
    }
    const now = platform.monotonic()
    if (newest !== seen.at(-1)?.id) seen.push({ id: newest, at: now })
    const rows = await due(now)
    await Promise.all(rows.map(retry))
    if (rows.length < BATCH) await platform.sleep(Math.min(LOOK_EVERY_MS, retryMs), signal)
    return true
  }

  async function due(now: number): Promise<ParkedRow[]> {
    const rows: ParkedRow[] = []
    for (let attempts = 1; attempts < MAX_ATTEMPTS; attempts += 1) {
      const upTo = seen.findLast(({ at }) => at <= now - pauseAfter(attempts))?.id
      if (upTo !== undefined) rows.push(...(await parked.failed(attempts, upTo, BATCH)))
    }
    const old = seen.findLastIndex(({ at }) => at <= now - pauseAfter(MAX_ATTEMPTS))
    if (old > 0) seen = seen.slice(old)
    return rows.sort((a, b) => a.id - b.id).slice(0, BATCH)
  }

  async function retry(row: ParkedRow): Promise<void> {
    const at = { streamSeq: row.streamSeq, deliveries: row.deliveries + row.attempts }
    try {
      const handled = await handling.handle(storedMessage(row), at, async (tx) => {
        await tx.lease.assertHeld()
        return await tx.parked.remove(row.id)
      })
      if (handled) options.onHandled?.(row.subject, 'handled')
    } catch (error) {
      if (isStorageError(error) || error instanceof LeaseLost) throw error
      await settleFailure(row, error)
    }
  }

  async function settleFailure(row: ParkedRow, error: unknown): Promise<void> {
    const { id, streamSeq: _, deliveries: __, ...message } = row
    const attempts = row.attempts + 1
    const dead = error instanceof Poison || attempts >= MAX_ATTEMPTS
    const counted = await write(async (tx) => {
      await tx.lease.assertHeld()
      if (!(await tx.parked.remove(id))) return false
      if (dead) await tx.deadLetters.add({ ...message, attempts, error: String((error as Error)?.message ?? error) })
      else await tx.parked.add({ ...row, attempts })
      return true
    })
    if (!counted) return
    options.onHandled?.(row.subject, dead ? 'dead_lettered' : 'retried')
    const about = { err: error, durable: row.consumer, event: row.eventKey, attempts }
    if (dead) logger.warn(about, 'stored a dead letter; see /admin/dead-letters')
    else logger.debug(about, 'a handler failed again')
  }

  return createDuty({ name: 'retries', everyMs: POLL_MS, round, lease, platform, logger })
}
