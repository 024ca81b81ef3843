/** A service's part in the messaging: consumers in every instance; relay, upkeep and clean-up in the one with the lease. */
import type { AnyEvent, EventType } from '@checkout/contracts/events.ts'
import { type ServiceName, type StreamDefinition, streams, subscriptions } from '@checkout/contracts/topology.ts'
import type { Clock } from '@checkout/service/clock.ts'
import type { Deployment } from '@checkout/service/deployment.ts'
import { createLease, type Lease } from '@checkout/service/lease.ts'
import type { Store } from '@checkout/service/store.ts'
import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Broker } from './broker.ts'
import { createConsumer, type Handlers, handledResults } from './consumer.ts'
import { createDurables } from './durables.ts'
import { createDuty, type Duty, type DutyOptions } from './duty.ts'
import { createRelay } from './relay.ts'
import type { MessagingReads, MessagingTx } from './store.ts'
import { createUpkeep, RETENTION_MS, RETIRE_BATCH } from './upkeep.ts'

const CLEAN_UP_EVERY_MS = 2_000

export interface MessagingOptions<Tx extends MessagingTx> {
  service: ServiceName
  store: Store<Tx, MessagingReads>
  handlers: Handlers<Tx>
  broker: Broker
  deployment: Deployment
  clock: Clock
  logger: Logger
  metrics?: Registry
  /** How long outbox rows and inbox ids are kept, ms; ten minutes unless a test says otherwise. */
  retentionMs?: number
  /** See ConsumerOptions: for wake-ups, which may get lost. */
  onCommitted?: (event: AnyEvent) => void
  /** More to clean up than the inbox, at most `limit` rows; returns how many were deleted. */
  purge?: (tx: Tx, limit: number) => number
}

export interface Messaging {
  readonly lease: Lease
  /** Adds a duty of the service's own, started and stopped with the others. */
  duty(options: Pick<DutyOptions, 'name' | 'everyMs' | 'round'>): Duty
  /** Whether nothing waits anywhere on the way of these events: not in the outbox, not at a durable. */
  backlogsEmpty(types: readonly EventType[]): Promise<boolean>
  start(): void
  stop(): Promise<void>
}

export function createMessaging<Tx extends MessagingTx>(options: MessagingOptions<Tx>): Messaging {
  const { service, store, handlers, broker, deployment, clock, logger, metrics } = options
  const { write } = store
  const retentionMs = options.retentionMs ?? RETENTION_MS
  const lease = createLease({ read: store.read.lease, write, clock })
  const counters = metrics && createCounters(metrics, store, broker, lease, () => consumer.unbound())
  // From the start, so that a rate sees the first one.
  for (const { service: reader, subject: type } of subscriptions) {
    if (reader !== service) continue
    for (const result of handledResults) counters?.handled.inc({ type, result }, 0)
  }
  const consumer = createConsumer({
    service,
    handlers,
    write,
    broker,
    deployment,
    clock,
    logger,
    ...(options.onCommitted && { onCommitted: options.onCommitted }),
    onHandled: (type, result) => counters?.handled.inc({ type, result }),
  })
  const duties: Duty[] = []
  const duty: Messaging['duty'] = (own) => {
    const made = createDuty({ ...own, lease, clock, logger })
    duties.push(made)
    return made
  }

  const stream: StreamDefinition | undefined = streams.find((s) => s.owner === service)
  if (stream) {
    const durables = createDurables({ stream, broker, clock, logger })
    const shared = { stream, outbox: store.read.outbox, write, broker, durables, lease, clock, logger }
    const relay = createRelay({ ...shared, onPublished: (rows) => counters?.published.inc(rows) })
    duties.push(relay, createUpkeep({ ...shared, relay, retentionMs }))
    store.onCommit(relay.wake)
  }
  duty({
    name: 'clean-up',
    everyMs: CLEAN_UP_EVERY_MS,
    round: async () => {
      const deleted = await write((tx) => {
        const ids = tx.inbox.purge(retentionMs, RETIRE_BATCH)
        return Math.max(ids, options.purge?.(tx, RETIRE_BATCH) ?? 0)
      })
      return deleted === RETIRE_BATCH
    },
  })

  return {
    lease,
    duty,
    async backlogsEmpty(types) {
      if (!broker.connected || store.read.outbox.backlog().rows > 0) return false
      const states = await Promise.all(subscriptions.filter((s) => types.includes(s.subject)).map(broker.durable))
      return states.every((state) => state !== undefined && state.pending + state.ackPending === 0)
    },
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

function createCounters(
  metrics: Registry,
  store: Store<MessagingTx, MessagingReads>,
  broker: Broker,
  lease: Lease,
  unbound: () => number,
) {
  const registers = [metrics]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('outbox_backlog', 'Outbox rows not yet published.', () => store.read.outbox.backlog().rows)
  const oldestSeconds = () => store.read.outbox.backlog().oldestMs / 1000
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
