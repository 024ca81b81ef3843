/**
 * The upkeep of a stream by its owner, and first of all the watchdog in it: every two seconds it looks whether the stream
 * and its durables still are what was made, has made anew what is not, and says when a subscription is about to lose its
 * place. When all is well, the retention and the catch-up follow; they go by what it has just seen.
 */
import type { Lease } from '@checkout/store/lease.ts'
import type { DurableState, StreamState } from './broker.ts'
import { createCatchUp } from './catch-up.ts'
import { floorOf } from './durables.ts'
import { createDuty, type Duty } from './duty.ts'
import type { OwnStream } from './own-stream.ts'
import type { Relay } from './relay.ts'
import { createRetention } from './retention.ts'

const EVERY_MS = 2_000
/** The rounds follow each other sooner while somebody reads what it lacked. */
const CATCH_UP_EVERY_MS = 50

export interface WatchdogOptions extends OwnStream {
  readonly relay: Relay
  readonly lease: Lease
  readonly retentionMs: number
}

export interface Watchdog extends Duty {
  /** The share of its size that the stream held when it was last looked at; 0 in an instance without the lease. */
  fill(): number
}

export function createWatchdog(options: WatchdogOptions): Watchdog {
  const { stream, outbox, write, broker, durables, relay, lease, platform, logger } = options
  const retention = createRetention(options)
  const catchUp = createCatchUp(options)
  let fill = 0
  /** Durables that hold more than half of a stream, as far as the log was told. */
  const warned = new Set<string>()

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
    // A server that has lost a stream's files while it runs goes on counting its messages, and delivers none.
    if (!(await relay.isReadable())) {
      relay.resync()
      return false
    }
    fill = after.maxBytes > 0 ? after.bytes / after.maxBytes : 0
    if (!(await durables.mend(states, after.lastSeq, fence)) || !relay.inSync()) return false
    await warn(states, after)
    if (await retention.retire(after.incarnation, floorOf(states, before.lastSeq))) return true
    const reading = await catchUp.settle(states, after, publishedId)
    if (reading) await platform.sleep(CATCH_UP_EVERY_MS, signal)
    return reading
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

  const duty = createDuty({ name: `upkeep ${stream.name}`, everyMs: EVERY_MS, round, lease, platform, logger })
  return { ...duty, fill: () => (lease.held() ? fill : 0) }
}
