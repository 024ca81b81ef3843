/**
 * What subscriptions lack that were away while the stream had to make room (their arrears, see room.ts): once they read
 * again, those rows are appended to the outbox anew, as the same events.
 */
import type { Subscription } from '@checkout/contracts/topology.ts'
import type { DurableState, StreamState } from './broker.ts'
import type { OwnStream } from './own-stream.ts'
import type { Arrears } from './port.ts'

/** Of what a subscription lacks, appended again at once: rows, and share of the stream. */
const BATCH = { rows: 256, share: 1 / 8 }
/** Rows looked through for those of a subject. */
const SCAN = 1_000
/** A reader that has less than this before it has room for more. */
const PENDING = 64
/** Longest pause between two batches for a subscription that reads, however much waits for it. */
const PAUSE_MS = 2_000
/** A reader counts as alive for so long after something was delivered. */
const ALIVE_MS = 5_000

export function createCatchUp(options: Omit<OwnStream, 'broker'>) {
  const { stream, outbox, write, durables, platform, logger } = options
  /** Per durable: how much was delivered when it was looked at, and when that grew; the newest row appended for it. */
  const delivered = new Map<string, { count: number; grewAt: number }>()
  const appended = new Map<string, number>()
  /** Per durable: when something was last appended for it. */
  const repeatedAt = new Map<string, number>()

  function isAlive(durable: string, count: number): boolean {
    const now = platform.monotonic()
    const before = delivered.get(durable)
    const grewAt = before && before.count !== count ? now : (before?.grewAt ?? Number.NEGATIVE_INFINITY)
    delivered.set(durable, { count, grewAt })
    return now - grewAt < ALIVE_MS
  }

  async function repeat(
    { durable, subject }: Subscription,
    arrears: Arrears,
    incarnation: string,
    limit: { rows: number; bytes: number },
  ): Promise<void> {
    const scanned = (await outbox.take(arrears.fromId - 1, SCAN)).filter(({ id }) => id <= arrears.toId)
    const own = scanned.filter(({ type }) => type === subject)
    let bytes = 0
    const batch = own.filter(({ event }, n) => {
      bytes += event.length
      return n === 0 || (n < limit.rows && bytes <= limit.bytes)
    })
    const all = batch.length === own.length
    const upToId = all ? (scanned.length < SCAN ? arrears.toId : (scanned.at(-1)?.id ?? 0)) : batch.at(-1)?.id
    const settled = await write(async (tx) => {
      await tx.lease.assertHeld()
      if (!(await tx.outbox.isOf(incarnation))) return false
      if (!(await tx.outbox.arrears.settle(arrears, upToId ?? 0))) return false
      if (batch.length > 0) appended.set(durable, await tx.outbox.repeat(batch))
      return true
    })
    if (settled && !(await outbox.arrears.first(durable))) {
      logger.info({ stream: stream.name, durable }, 'a subscription has got everything that it lacked')
    }
  }

  return {
    /** Appends again what those who read lack. Returns whether somebody does. */
    async settle(
      states: readonly (DurableState | undefined)[],
      { incarnation, maxBytes }: StreamState,
      publishedId: number,
    ): Promise<boolean> {
      let reading = false
      for (const [i, subscription] of durables.subscriptions.entries()) {
        const { durable } = subscription
        const state = states[i]
        const arrears = await outbox.arrears.first(durable)
        if (!state) continue
        const alive = isAlive(durable, state.deliveries)
        if (!arrears) continue
        const waiting = state.pending + state.ackPending
        const published = (appended.get(durable) ?? 0) <= publishedId
        // One that may be dead gets a single message to show that it is not: what it does not read takes others' room.
        // One that reads and is never done gets some of the old all the same.
        const isLongAgo = platform.monotonic() - (repeatedAt.get(durable) ?? Number.NEGATIVE_INFINITY) > PAUSE_MS
        if (published && (waiting === 0 || (alive && (waiting < PENDING || isLongAgo)))) {
          repeatedAt.set(durable, platform.monotonic())
          const limit = alive ? { ...BATCH, bytes: maxBytes * BATCH.share } : { rows: 1, bytes: 0 }
          await repeat(subscription, arrears, incarnation, limit)
          reading = true
        }
        reading ||= alive
      }
      return reading
    },
  }
}
