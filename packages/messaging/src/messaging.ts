/** A service's part in the messaging: consumers in every instance; relay, upkeep and clean-up in the one with the lease. */
import type { EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { type StreamDefinition, streams, subscriptions } from '@checkout/contracts/topology.ts'
import { createAge } from '@checkout/service/age.ts'
import { createLease, type Lease } from '@checkout/service/lease.ts'
import type { Platform } from '@checkout/service/platform.ts'
import type { Store } from '@checkout/service/port.ts'
import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import { type Answers, type AnswersOptions, createAnswers } from './answers.ts'
import type { Broker } from './broker.ts'
import { cleanUp, type Kept, retentionStep } from './clean-up.ts'
import { createConsumer, handledResults } from './consumer.ts'
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
  metrics?: Registry
  /** How long outbox rows and inbox ids are kept, ms; ten minutes unless a test says otherwise. */
  retentionMs?: number
  /** First pause before a failed handler runs again, ms; 50 unless a test says otherwise. It doubles up to 100 times that. */
  retryMs?: number
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
  start(): void
  stop(): Promise<void>
}

export function createMessaging<Tx extends MessagingTx>(options: MessagingOptions<Tx>): Messaging {
  const { service, store, broker, platform, logger, metrics } = options
  const { write } = store
  const retentionMs = options.retentionMs ?? RETENTION_MS
  const lease = createLease({ read: store.read.lease, write, platform })
  const counters = metrics && createCounters(metrics, store, broker, lease, () => consumer.unbound())
  // From the start, so that a rate sees the first one.
  for (const { service: reader, subject: type } of subscriptions) {
    if (reader !== service) continue
    for (const result of handledResults) counters?.handled.inc({ type, result }, 0)
  }
  const shared = {
    service,
    handling: options.handling,
    write,
    platform,
    logger,
    onHandled: (type: string, result: (typeof handledResults)[number]) => counters?.handled.inc({ type, result }),
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
  if (stream) {
    const durables = createDurables({ stream, broker, platform, logger })
    const parts = { stream, outbox: store.read.outbox, write, broker, durables, lease, platform, logger }
    const relay = createRelay({ ...parts, onPublished: (rows) => counters?.published.inc(rows) })
    const watchdog = createWatchdog({ ...parts, relay, retentionMs })
    duties.push(relay, watchdog)
    if (metrics) createStreamGauges(metrics, store, watchdog)
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

/** Of the stream that the service owns. */
function createStreamGauges(metrics: Registry, store: Store<MessagingTx, MessagingReads>, watchdog: Watchdog) {
  const registers = [metrics]
  new Gauge({
    name: 'stream_fill_ratio',
    help: 'Share of STREAM_MAX_BYTES that the stream holds; 0 in instances without the lease.',
    registers,
    collect() {
      this.set(watchdog.fill())
    },
  })
  new Gauge({
    name: 'outbox_arrears',
    help: 'Outbox rows, at most, that a subscription lacks because the stream had to make room.',
    labelNames: ['durable'],
    registers,
    async collect() {
      const spans = await store.read.outbox.arrears.spans()
      // Not before the read: two scrapes at once would both set what only one has cleared.
      this.reset()
      for (const { durable, rows } of spans) this.set({ durable }, rows)
    },
  })
}

function createCounters(
  metrics: Registry,
  store: Store<MessagingTx, MessagingReads>,
  broker: Broker,
  lease: Lease,
  unbound: () => number,
) {
  const registers = [metrics]
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read())
      },
    })
  // Read once per scrape: all gauges are asked before the first has answered, so a later one awaits an earlier one's read.
  let backlog: ReturnType<typeof store.read.outbox.backlog>
  gauge('outbox_backlog', 'Outbox rows not yet published.', async () => {
    backlog = store.read.outbox.backlog()
    return (await backlog).rows
  })
  const oldestSeconds = async () => (await backlog).oldestMs / 1000
  gauge('outbox_oldest_seconds', 'Age of the oldest outbox row not yet published; 0 = none.', oldestSeconds)
  gauge('nats_connected', '1 while the broker is connected.', () => Number(broker.connected))
  gauge('subscriptions_unbound', 'Subscriptions that nothing is read from just now.', unbound)
  gauge('dead_letters', 'Dead letters waiting for a person.', () => store.read.deadLetters.count())
  gauge('lease_held', '1 in the instance that relays, sweeps, mails and cleans up.', () => Number(lease.held()))
  gauge('store_commits', 'COMMITs of this process.', () => store.stats().commits)
  gauge('store_writes', 'Writes of this process; divided by store_commits: the mean batch.', () => store.stats().writes)
  gauge('store_writes_waiting', 'Writes waiting for their turn.', () => store.stats().waiting)
  return {
    handled: new Counter({
      name: 'events_handled_total',
      help: 'Events by type and result: handled, retried, dead_lettered.',
      labelNames: ['type', 'result'],
      registers,
    }),
    published: new Counter({ name: 'events_published_total', help: 'Events put on the stream.', registers }),
  }
}
