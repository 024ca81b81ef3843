/**
 * The durables of a stream, looked after by its owner. After the broker lost a tail, a durable may be ahead of its
 * stream: it then delivers nothing and says nothing, and once the stream has grown past it again it has skipped what came
 * between for good. So they are looked at before anything is published, and every two seconds. One that is missing or
 * ahead is made anew and delivers all; the inboxes drop what they know.
 */
import { type StreamDefinition, type Subscription, subscriptions } from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Logger } from 'pino'
import type { Broker, DurableState } from './broker.ts'

/**
 * Between deleting and re-creating a stream or a durable: every subscriber hears that its durable is gone and drops what
 * it had fetched, so that no late ack hits a new message that has an old one's sequence.
 */
export const DELETION_PAUSE_MS = 1_000

export type Durables = ReturnType<typeof createDurables>

export function createDurables(options: {
  stream: StreamDefinition
  broker: Broker
  platform: Platform
  logger: Logger
}) {
  const { stream, broker, platform, logger } = options
  const all = subscriptions.filter((s) => s.stream === stream.name)

  const isAhead = ({ ackFloor, delivered }: DurableState, lastSeq: number) => Math.max(ackFloor, delivered) > lastSeq

  async function mend(
    subscription: Subscription,
    state: DurableState | undefined,
    lastSeq: number,
    fence: () => Promise<void>,
  ): Promise<boolean> {
    if (state?.marked && !isAhead(state, lastSeq)) return true
    await fence()
    if (state && !isAhead(state, lastSeq)) {
      await broker.markDurable(subscription)
      return true
    }
    if (state) {
      // Looked at again, under the lease: this process may have stood still since, and another one have mended it.
      const now = await broker.durable(subscription)
      const current = await broker.stream(stream.name)
      if (!current || current === 'foreign' || (now && !isAhead(now, current.lastSeq))) return false
      logger.info(
        { durable: subscription.durable, state: now, lastSeq },
        'a durable is ahead of its stream; making it anew',
      )
      await broker.deleteDurable(subscription)
      await platform.sleep(DELETION_PAUSE_MS)
    }
    await broker.createDurable(subscription)
    return false
  }

  return {
    /** Of this stream, in the order of the states. */
    subscriptions: all as readonly Subscription[],
    /** Missing durables have no state. */
    states: (): Promise<(DurableState | undefined)[]> => Promise.all(all.map(broker.durable)),
    /**
     * Makes anew what is missing or ahead of `lastSeq`, the stream's last sequence at a moment after the states were read,
     * or one at which nobody published. Returns whether all was well.
     * @param fence rejects when this instance may not act any more; awaited before anything is changed
     */
    async mend(
      states: readonly (DurableState | undefined)[],
      lastSeq: number,
      fence: () => Promise<void>,
    ): Promise<boolean> {
      const well = await Promise.all(all.map((subscription, i) => mend(subscription, states[i], lastSeq, fence)))
      return well.every(Boolean)
    },
    /** All of a new stream. */
    create: async (): Promise<void> => void (await Promise.all(all.map(broker.createDurable))),
  }
}

/** Up to which sequence no durable needs anything any more, at most `lastSeq`, read before the states. */
export const floorOf = (states: readonly (DurableState | undefined)[], lastSeq: number): number =>
  Math.min(
    ...states.map((state) => {
      if (!state) return 0
      return state.pending === 0 && state.ackPending === 0 ? lastSeq : state.ackFloor
    }),
  )
