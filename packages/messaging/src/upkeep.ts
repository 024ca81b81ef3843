/**
 * Upkeep of a stream by its owner: the watchdog over its durables, and the retention of the outbox and the stream.
 *
 * An outbox row is deleted, and the stream purged up to it, only when every durable of the stream has an ack floor
 * past it in this incarnation and ten minutes have passed since its publication. So as long as a row is kept, the
 * stream can be made anew from the outbox, and afterwards nobody needs it any more.
 */
import { type StreamDefinition, type Subscription, subscriptions } from '@checkout/contracts/topology.ts'
import type { Clock } from '@checkout/service/clock.ts'
import type { Lease, LeaseWrites } from '@checkout/service/lease.ts'
import type { Logger } from 'pino'
import type { Broker, DurableState } from './broker.ts'
import { createDuty, type Duty } from './duty.ts'
import type { OutboxReads, OutboxWrites } from './outbox.ts'
import { DELETION_PAUSE_MS, type Relay } from './relay.ts'

/** How long a published and acknowledged event is kept; also how long the inbox remembers. */
export const RETENTION_MS = 10 * 60 * 1000
const EVERY_MS = 2_000
/** Rows per transaction, so that cleaning up never holds a request back for long. */
export const RETIRE_BATCH = 1_000

export interface UpkeepOptions {
  stream: StreamDefinition
  outbox: OutboxReads
  write: <T>(work: (tx: { outbox: OutboxWrites; lease: LeaseWrites }) => T) => Promise<T>
  broker: Broker
  relay: Relay
  lease: Lease
  clock: Clock
  logger: Logger
  retentionMs?: number
}

export function createUpkeep(options: UpkeepOptions): Duty {
  const { stream, outbox, write, broker, relay, lease, clock, logger } = options
  const durables = subscriptions.filter((s) => s.stream === stream.name)
  const retentionMs = options.retentionMs ?? RETENTION_MS

  /** What was purged last: a purge that failed, or that a crash prevented, is made up for. */
  let purged = ''

  async function round(): Promise<boolean> {
    if (!relay.inSync()) return false
    // Read before the durables: what they have acknowledged by then is a lower bound.
    const before = await broker.stream(stream.name)
    const states = await Promise.all(durables.map((s) => broker.durable(s)))
    const after = await broker.stream(stream.name)
    const whole = after !== undefined && after.firstSeq <= (outbox.oldestSeq() ?? after.firstSeq)
    if (!before || !whole || after.incarnation !== outbox.incarnation()) {
      relay.resync()
      return false
    }
    const healthy = await Promise.all(durables.map((s, i) => watch(s, states[i], after.lastSeq)))
    if (!healthy.every(Boolean) || !relay.inSync()) return false
    const floor = Math.min(...states.map((state) => (state ? floorOf(state, before.lastSeq) : 0)))
    return retire(floor)
  }

  /**
   * The watchdog: after the broker lost a tail, a durable that is ahead of its stream delivers nothing and says
   * nothing. It is made anew (as is a missing one) and delivers all; the inboxes drop what they know.
   */
  async function watch(subscription: Subscription, state: DurableState | undefined, lastSeq: number): Promise<boolean> {
    if (state && Math.max(state.ackFloor, state.delivered) <= lastSeq) return true
    logger.info({ durable: subscription.durable, state, lastSeq }, 'making a durable anew')
    await write((tx) => tx.lease.assertHeld())
    if (state) await broker.deleteDurable(subscription)
    await clock.sleep(DELETION_PAUSE_MS)
    await broker.createDurable(subscription)
    return false
  }

  async function retire(floor: number): Promise<boolean> {
    const newest = outbox.newestRetirable(floor, retentionMs)
    if (!newest) return false
    const deleted = await write((tx) => {
      tx.lease.assertHeld()
      return tx.outbox.retire(newest.lastId, RETIRE_BATCH)
    })
    if (deleted === RETIRE_BATCH) return true
    const upTo = `${outbox.incarnation()} ${newest.lastSeq}`
    if (upTo === purged) return false
    // Keeps the message at lastSeq itself: the relay may need it to recognise its stream.
    await broker.purge(stream.name, newest.lastSeq)
    purged = upTo
    return false
  }

  return createDuty({ name: `upkeep ${stream.name}`, everyMs: EVERY_MS, round, lease, clock, logger })
}

/** Up to which sequence a durable needs nothing any more. */
const floorOf = (state: DurableState, lastSeq: number): number =>
  state.pending === 0 && state.ackPending === 0 ? lastSeq : state.ackFloor
