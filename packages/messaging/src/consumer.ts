/**
 * The consumer loop: the one place that acknowledges. A handler returns, or throws; everything else is decided here.
 *
 * - committed → ack
 * - invalid message → a dead letter, committed, → term
 * - the handler's own error → parked in the file, committed, → ack; tried again from there (`retries.ts`)
 * - the store's or the broker's trouble → nak, not counted, and the loop pauses until the store takes writes again
 */
import type { AnyEvent } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { type Subscription, subscriptions } from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import type { Write } from '@checkout/store/port.ts'
import type { Logger } from 'pino'
import type { Broker, Delivery, Pull } from './broker.ts'
import { eventKey, Poison } from './decode.ts'
import type { Handling } from './handling.ts'
import type { DeadLetterWrites, InboxWrites, ParkedWrites } from './port.ts'

/** Messages of one durable being handled at once in one instance. */
const IN_FLIGHT = 256
const STORE_PAUSE_MS = { first: 100, longest: 1_000 }
/** Until a missing durable is asked for again: its stream's owner creates it. */
const REBIND_MS = 250

export interface ConsumerTx {
  readonly inbox: InboxWrites
  readonly deadLetters: DeadLetterWrites
  readonly parked: ParkedWrites
}

/** What can become of a delivery. */
export const handledResults = ['handled', 'retried', 'dead_lettered'] as const

export interface ConsumerOptions<Tx extends ConsumerTx> {
  service: ServiceName
  handling: Handling<Tx>
  write: Write<Tx>
  broker: Broker
  platform: Platform
  logger: Logger
  onHandled?: (type: string, result: (typeof handledResults)[number]) => void
  /** Called when a message was parked. */
  onParked?: () => void
}

export interface Consumer {
  start(): void
  /** Subscriptions that nothing is read from just now: the durable is not there, or is not this system's. */
  unbound(): number
  /** Stops fetching, hands back what was not started, and waits for what was. */
  stop(): Promise<void>
}

/** Consumes every subscription of the service. */
export function createConsumer<Tx extends ConsumerTx>(options: ConsumerOptions<Tx>): Consumer {
  const { service, write, broker, platform, logger } = options
  const mine = subscriptions.filter((s) => s.service === service)
  const stopping = new AbortController()
  const pulls = new Set<Pull>()
  let loops: Promise<void>[] = []
  /** Set while the store takes no writes: resolves when it does again. */
  let trouble: Promise<void> | undefined

  async function consume(subscription: Subscription): Promise<void> {
    while (!stopping.signal.aborted) {
      await (trouble ?? whenConnected())
      if (stopping.signal.aborted) return
      try {
        const pull = await broker.pull(subscription)
        pulls.add(pull)
        if (stopping.signal.aborted) pull.stop() // stopped while it was being made
        try {
          await drainInto(subscription, pull)
        } finally {
          pulls.delete(pull)
        }
      } catch (error) {
        logger.debug({ err: error, durable: subscription.durable }, 'not bound to the durable; trying again')
      }
      await platform.sleep(REBIND_MS, stopping.signal)
    }
  }

  async function drainInto(subscription: Subscription, pull: Pull): Promise<void> {
    const running = new Set<Promise<void>>()
    try {
      for await (const delivery of pull) {
        const work: Promise<void> = handle(subscription, delivery).finally(() => running.delete(work))
        running.add(work)
        if (running.size >= IN_FLIGHT) await Promise.race(running)
        // Leaves the pull: what it has fetched goes to an instance whose store works, or comes back later.
        if (trouble !== undefined) pull.stop()
      }
    } finally {
      await Promise.all(running)
    }
  }

  async function handle(subscription: Subscription, delivery: Delivery): Promise<void> {
    const { durable, subject } = subscription
    try {
      // Not to be done when it was parked before: a crash or the broker has lost the ack.
      const isNew = async (tx: Tx, event: AnyEvent) =>
        delivery.deliveries === 1 || !(await tx.parked.has(durable, event.id))
      const handled = await options.handling.handle(delivery, delivery, isNew)
      delivery.ack()
      if (handled) options.onHandled?.(subject, 'handled')
    } catch (error) {
      await settleFailure(subscription, delivery, error).catch((storeError) => pauseFor(delivery, storeError))
    }
  }

  /** What becomes of a message whose handling failed. @throws the store's trouble */
  async function settleFailure({ durable }: Subscription, delivery: Delivery, error: unknown): Promise<void> {
    if (isStorageError(error)) throw error
    const key = eventKey(delivery.data)
    const message = {
      consumer: durable,
      eventKey: key,
      subject: delivery.subject,
      message: Buffer.from(delivery.data).toString('utf8'),
      headers: JSON.stringify(delivery.headers),
      attempts: 1,
    }
    if (error instanceof Poison) {
      await write((tx) => tx.deadLetters.add({ ...message, error: error.message }))
      delivery.term()
      options.onHandled?.(delivery.subject, 'dead_lettered')
      logger.warn({ err: error, durable, event: key }, 'stored a dead letter; see /admin/dead-letters')
    } else {
      const { streamSeq, deliveries } = delivery
      await write((tx) => tx.parked.add({ ...message, streamSeq, deliveries }))
      delivery.ack()
      options.onParked?.()
      options.onHandled?.(delivery.subject, 'retried')
      logger.warn({ err: error, durable, event: key }, 'a handler failed; the message is parked and tried again')
    }
  }

  /** The store is in trouble: the message goes back uncounted, and nothing is fetched until a write works again. */
  function pauseFor(delivery: Delivery, error: unknown): void {
    delivery.nak(STORE_PAUSE_MS.longest)
    if (!isStorageError(error)) {
      logger.error({ err: error, subject: delivery.subject }, 'could not record a failed message; it will come again')
      return
    }
    if (trouble || stopping.signal.aborted) return
    logger.warn({ reason: (error as Error).message }, 'the store takes no writes; consuming is paused')
    trouble = probe().finally(() => {
      trouble = undefined
    })
  }

  async function probe(): Promise<void> {
    for (let ms = STORE_PAUSE_MS.first; !stopping.signal.aborted; ms = Math.min(ms * 2, STORE_PAUSE_MS.longest)) {
      await platform.sleep(ms, stopping.signal)
      try {
        await write((tx) => tx.parked.probe())
        logger.info('the store takes writes again; consuming goes on')
        return
      } catch (error) {
        if (!isStorageError(error)) throw error
      }
    }
  }

  function whenConnected(): Promise<void> {
    if (broker.connected || stopping.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const off = broker.onConnection((connected) => {
        if (connected) done()
      })
      const done = () => {
        off()
        stopping.signal.removeEventListener('abort', done)
        resolve()
      }
      stopping.signal.addEventListener('abort', done)
    })
  }

  return {
    unbound: () => mine.length - pulls.size,
    start() {
      loops = mine.map(consume)
    },
    async stop() {
      stopping.abort()
      for (const pull of pulls) pull.stop()
      await Promise.all(loops)
    },
  }
}
