/**
 * Upkeep of a stream by its owner: the watchdog over its durables, the retention of the outbox and the stream, and what
 * subscriptions that were away lack.
 *
 * An outbox row is deleted, and the stream purged up to it, only when every durable of the stream has an ack floor
 * past it in this incarnation, nobody is in arrears with it, and ten minutes, by the file's age, have passed since its
 * publication. So as long as a row is kept, the stream can be made anew from the outbox, and afterwards nobody needs it
 * any more.
 */
import type { StreamDefinition, Subscription } from '@checkout/contracts/topology.ts'
import type { Lease } from '@checkout/service/lease.ts'
import type { Platform } from '@checkout/service/platform.ts'
import type { LeaseWrites, Work } from '@checkout/service/port.ts'
import type { Logger } from 'pino'
import type { Broker, DurableState, StreamState } from './broker.ts'
import { keptAge, retentionStep } from './clean-up.ts'
import { type Durables, floorOf } from './durables.ts'
import { createDuty, type Duty } from './duty.ts'
import type { Arrears, OutboxReads, OutboxWrites } from './port.ts'
import type { Relay } from './relay.ts'

/** How long a published and acknowledged event is kept; also how long the inbox remembers. */
export const RETENTION_MS = 10 * 60 * 1000
const EVERY_MS = 2_000
/** Rows per transaction, so that cleaning up never holds a request back for long. */
export const RETIRE_BATCH = 1_000
/** Of what a subscription lacks, appended again at once: rows, and share of the stream. */
const ARREARS_BATCH = { rows: 256, share: 1 / 8 }
/** Rows looked through for those of a subject. */
const ARREARS_SCAN = 1_000
/** A reader that has less than this before it has room for more. */
const ARREARS_PENDING = 64
/** Longest pause between two batches for a subscription that reads, however much waits for it. */
const ARREARS_PAUSE_MS = 2_000
/** A reader counts as alive for so long after something was delivered; the rounds then follow each other sooner. */
const ALIVE_MS = 5_000
const ARREARS_EVERY_MS = 50

export interface UpkeepOptions {
  stream: StreamDefinition
  outbox: OutboxReads
  write: <T>(work: Work<{ outbox: OutboxWrites; lease: LeaseWrites }, T>) => Promise<T>
  broker: Broker
  durables: Durables
  relay: Relay
  lease: Lease
  platform: Platform
  logger: Logger
  retentionMs?: number
}

export interface Upkeep extends Duty {
  /** The share of its size that the stream held when it was last looked at; 0 in an instance without the lease. */
  fill(): number
}

export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { stream, outbox, write, broker, durables, relay, lease, platform, logger } = options
  const retentionMs = options.retentionMs ?? RETENTION_MS
  const retiredAge = keptAge(retentionMs, retentionStep(retentionMs))

  /** What was purged last: a purge that failed, or that a crash prevented, is made up for. */
  let purged = ''
  let fill = 0
  /** Durables that hold more than half of a stream, as far as the log was told. */
  const warned = new Set<string>()
  /** Per durable: how much was delivered when it was looked at, and when that grew; the newest row appended for it. */
  const delivered = new Map<string, { count: number; grewAt: number }>()
  const appended = new Map<string, number>()
  /** Per durable: when something was last appended for it. */
  const repeatedAt = new Map<string, number>()

  const fence = () => write((tx) => tx.lease.assertHeld())

  async function round(signal: AbortSignal): Promise<boolean> {
    if (!relay.inSync()) return false
    const publishedId = (await outbox.lastPublication())?.lastId ?? 0
    // Read before the durables: what they have acknowledged by then is a lower bound.
    const before = await broker.stream(stream.name)
    const states = await durables.states()
    const after = await broker.stream(stream.name)
    const ours = before && before !== 'foreign' && after && after !== 'foreign'
    const whole = ours && after.firstSeq <= ((await outbox.oldestSeq()) ?? after.firstSeq)
    // Before and after: else the floors may be those of another stream's durables.
    if (!whole || before.incarnation !== after.incarnation || after.incarnation !== (await outbox.incarnation())) {
      relay.resync()
      return false
    }
    fill = after.maxBytes > 0 ? after.bytes / after.maxBytes : 0
    if (!(await durables.mend(states, after.lastSeq, fence)) || !relay.inSync()) return false
    await warn(states, after)
    if (await retire(after.incarnation, floorOf(states, before.lastSeq))) return true
    const reading = await settleArrears(states, after, publishedId)
    if (reading) await platform.sleep(ARREARS_EVERY_MS, signal)
    return reading
  }

  async function retire(incarnation: string, floor: number): Promise<boolean> {
    const newest = await outbox.newestRetirable(floor, retiredAge, RETIRE_BATCH)
    if (!newest) return false
    const deleted = await write(async (tx) => {
      await tx.lease.assertHeld()
      if (!(await tx.outbox.isOf(incarnation))) return undefined
      await tx.outbox.purging(newest.lastSeq)
      const owed = (await tx.outbox.arrears.oldestId()) ?? Number.POSITIVE_INFINITY
      return await tx.outbox.retire(Math.min(newest.lastId, owed - 1), RETIRE_BATCH)
    })
    if (deleted === RETIRE_BATCH) return true
    const upTo = `${incarnation} ${newest.lastSeq}`
    if (deleted === undefined || upTo === purged || (await outbox.incarnation()) !== incarnation) return false
    // Keeps the message at lastSeq itself: the relay may need it to recognise its stream.
    await broker.purge(stream.name, newest.lastSeq)
    purged = upTo
    return false
  }

  /** Says once that a subscription is about to lose its place in the stream: there is time to look why. */
  async function warn(
    states: readonly (DurableState | undefined)[],
    { firstSeq, lastSeq, bytes, maxBytes }: StreamState,
  ): Promise<void> {
    const average = bytes / Math.max(1, lastSeq - firstSeq + 1)
    for (const [i, { durable }] of durables.subscriptions.entries()) {
      const unread = lastSeq - Math.max(floorOf([states[i]], lastSeq), firstSeq - 1)
      if (unread * average < maxBytes / 4 && !(await outbox.arrears.first(durable))) warned.delete(durable)
      if (unread * average > maxBytes / 2 && !warned.has(durable)) {
        warned.add(durable)
        logger.warn({ stream: stream.name, durable }, 'half of the stream waits for a subscription that does not read')
      }
    }
  }

  /** Appends again what those who read lack. Returns whether somebody does. */
  async function settleArrears(
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
      const isLongAgo = platform.monotonic() - (repeatedAt.get(durable) ?? Number.NEGATIVE_INFINITY) > ARREARS_PAUSE_MS
      if (published && (waiting === 0 || (alive && (waiting < ARREARS_PENDING || isLongAgo)))) {
        repeatedAt.set(durable, platform.monotonic())
        const limit = alive ? { ...ARREARS_BATCH, bytes: maxBytes * ARREARS_BATCH.share } : { rows: 1, bytes: 0 }
        await repeat(subscription, arrears, incarnation, limit)
        reading = true
      }
      reading ||= alive
    }
    return reading
  }

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
    const scanned = (await outbox.take(arrears.fromId - 1, ARREARS_SCAN)).filter(({ id }) => id <= arrears.toId)
    const own = scanned.filter(({ type }) => type === subject)
    let bytes = 0
    const batch = own.filter(({ event }, n) => {
      bytes += event.length
      return n === 0 || (n < limit.rows && bytes <= limit.bytes)
    })
    const all = batch.length === own.length
    const upToId = all ? (scanned.length < ARREARS_SCAN ? arrears.toId : (scanned.at(-1)?.id ?? 0)) : batch.at(-1)?.id
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

  const duty = createDuty({ name: `upkeep ${stream.name}`, everyMs: EVERY_MS, round, lease, platform, logger })
  return { ...duty, fill: () => (lease.held() ? fill : 0) }
}
