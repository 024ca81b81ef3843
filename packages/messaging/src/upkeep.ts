/**
 * Upkeep of a stream by its owner: the watchdog over its durables, and the retention of the outbox and the stream.
 *
 * An outbox row is deleted, and the stream purged up to it, only when every durable of the stream has an ack floor
 * past it in this incarnation and ten minutes have passed since its publication. So as long as a row is kept, the
 * stream can be made anew from the outbox, and afterwards nobody needs it any more.
 */
import type { StreamDefinition } from '@checkout/contracts/topology.ts'
import type { Clock } from '@checkout/service/clock.ts'
import type { Lease, LeaseWrites } from '@checkout/service/lease.ts'
import type { Logger } from 'pino'
import type { Broker } from './broker.ts'
import { type Durables, floorOf } from './durables.ts'
import { createDuty, type Duty } from './duty.ts'
import type { OutboxReads, OutboxWrites } from './outbox.ts'
import type { Relay } from './relay.ts'

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
  durables: Durables
  relay: Relay
  lease: Lease
  clock: Clock
  logger: Logger
  retentionMs?: number
}

export function createUpkeep(options: UpkeepOptions): Duty {
  const { stream, outbox, write, broker, durables, relay, lease, clock, logger } = options
  const retentionMs = options.retentionMs ?? RETENTION_MS

  /** What was purged last: a purge that failed, or that a crash prevented, is made up for. */
  let purged = ''

  async function round(): Promise<boolean> {
    if (!relay.inSync()) return false
    // Read before the durables: what they have acknowledged by then is a lower bound.
    const before = await broker.stream(stream.name)
    const states = await durables.states()
    const after = await broker.stream(stream.name)
    const ours = before && before !== 'foreign' && after && after !== 'foreign'
    const whole = ours && after.firstSeq <= (outbox.oldestSeq() ?? after.firstSeq)
    if (!whole || after.incarnation !== outbox.incarnation()) {
      relay.resync()
      return false
    }
    await write((tx) => tx.lease.assertHeld())
    if (!(await durables.mend(states, after.lastSeq)) || !relay.inSync()) return false
    return retire(floorOf(states, before.lastSeq))
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
