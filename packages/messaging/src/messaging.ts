/** A service's part in the messaging: consumers in every instance; relay, upkeep and clean-up in the one with the lease. */
import type { EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { type StreamDefinition, streams } from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { createAge } from '@checkout/store/age.ts'
import { createLease, type Lease } from '@checkout/store/lease.ts'
import type { Store } from '@checkout/store/port.ts'
import type { Logger } from 'pino'
import { type Answers, type AnswersOptions, createAnswers } from './answers.ts'
import type { Broker } from './broker.ts'
import { cleanUp, type Kept, retentionStep } from './clean-up.ts'
import { createConsumer, type handledResults } from './consumer.ts'
import { createDurables } from './durables.ts'
import { createDuty, type Duty, type DutyOptions } from './duty.ts'
import type { Handling } from './handling.ts'
import type { MessagingReads, MessagingTx } from './port.ts'
import { createRelay } from './relay.ts'
import { RETENTION_MS, RETIRE_BATCH } from './retention.ts'
import { createRetries } from './retries.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

/** How often the age is counted by which something waits for its time; that is how exact such times are. */
const SCHEDULE_EVERY_MS = 1_000

export interface MessagingOptions<Tx extends MessagingTx> {
  service: ServiceName
  store: Store<Tx, MessagingReads>
  handling: Handling<Tx>
  broker: Broker
  platform: Platform
  logger: Logger
  /** How long outbox rows and inbox ids are kept, ms; ten minutes unless a test says otherwise. */
  retentionMs?: number
  /** First pause before a failed handler runs again, ms; 50 unless a test says otherwise. It doubles up to 100 times that. */
  retryMs?: number
  /** What became of an event of this type, each time. */
  onHandled?: (type: string, result: (typeof handledResults)[number]) => void
  /** So many events were put on the stream. */
  onPublished?: (rows: number) => void
  /** More that is kept for a while than the inbox and the outbox. */
  kept?: readonly Kept<Tx>[]
}

/** A clock for the duties that nobody can set. */
export interface Schedule {
  /** ms; never less than it was. @throws the store's trouble */
  now(): Promise<number>
}

export interface Messaging {
  readonly lease: Lease
  /** Adds a duty of the service's own, started and stopped with the others. */
  duty(options: Pick<DutyOptions, 'name' | 'everyMs' | 'round'>): Duty
  /**
   * The file's age by which attempts are scheduled (see age.ts), counted on for as long as `waits()` says that there is
   * something to attempt. Only for the duties: they run under the lease.
   */
  schedule(waits: () => Promise<boolean>): Schedule
  /** Follows questions of this service to their answers. */
  answers(question: EventType, answers: AnswersOptions['answers']): Answers
  /** How many subscriptions nothing is read from just now. */
  unbound(): number
  /** The share of its size that the service's stream holds; 0 without a stream, and in an instance without the lease. */
  streamFill(): number
  start(): void
  stop(): Promise<void>
}

export function createMessaging<Tx extends MessagingTx>(options: MessagingOptions<Tx>): Messaging {
  const { service, store, broker, platform, logger, onHandled = () => {}, onPublished = () => {} } = options
  const { write } = store
  const retentionMs = options.retentionMs ?? RETENTION_MS
  const lease = createLease({ read: store.read.lease, write, platform })
  const shared = {
    service,
    handling: options.handling,
    write,
    platform,
    logger,
    onHandled,
  }
  const { retryMs } = options
  const retries = createRetries({ ...shared, parked: store.read.parked, lease, ...(retryMs && { retryMs }) })
  const consumer = createConsumer({ ...shared, broker, onParked: retries.wake })
  const duties: Duty[] = [retries]
  const duty: Messaging['duty'] = (own) => {
    const made = createDuty({ ...own, lease, platform, logger })
    duties.push(made)
    return made
  }

  const stream: StreamDefinition | undefined = streams.find((s) => s.owner === service)
  let watchdog: Watchdog | undefined
  if (stream) {
    const durables = createDurables({ stream, broker, platform, logger })
    const parts = { stream, outbox: store.read.outbox, write, broker, durables, lease, platform, logger }
    const relay = createRelay({ ...parts, onPublished })
    watchdog = createWatchdog({ ...parts, relay, retentionMs })
    duties.push(relay, watchdog)
    store.onCommit(relay.wake)
  }
  const { ages } = store.read
  const kept: readonly Kept<Tx>[] = [
    { ages: store.read.inbox, forMs: retentionMs, purge: (tx, ageMs, limit) => tx.inbox.purge(ageMs, limit) },
    { ages: { newest: store.read.outbox.newestAge }, forMs: retentionMs }, // the retention's to delete
    ...(options.kept ?? []),
  ]
  const stepMs = retentionStep(retentionMs)
  duty(cleanUp({ kept, stepMs, limit: RETIRE_BATCH, ages, write, lease, platform }))

  return {
    lease,
    duty,
    schedule(waits) {
      const age = createAge({ name: 'schedule', read: ages, write, lease, platform })
      duty({
        name: 'schedule',
        everyMs: SCHEDULE_EVERY_MS,
        async round() {
          if (await waits()) await age.count()
          return false
        },
      })
      return age
    },
    unbound: consumer.unbound,
    streamFill: () => watchdog?.fill() ?? 0,
    answers: (question, answers) => createAnswers({ question, answers, broker, outbox: store.read.outbox }),
    start() {
      lease.start()
      for (const each of duties) each.start()
      consumer.start()
    },
    async stop() {
      await consumer.stop()
      await Promise.all(duties.map((each) => each.stop()))
      await lease.stop()
    },
  }
}
