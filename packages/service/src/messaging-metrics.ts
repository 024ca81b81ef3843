/** The messaging as Prometheus metrics. */
import { streams, subscriptions } from '@checkout/contracts/topology.ts'
import { handledResults } from '@checkout/messaging/consumer.ts'
import { createMessaging, type Messaging, type MessagingOptions } from '@checkout/messaging/messaging.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import type { Store } from '@checkout/store/port.ts'
import { Counter, Gauge, type Registry } from 'prom-client'

/** The messaging of a service, and what it does counted in `metrics`. */
export function createMeasuredMessaging<Tx extends MessagingTx>(
  options: Omit<MessagingOptions<Tx>, 'onHandled' | 'onPublished'> & { metrics: Registry },
): Messaging {
  const { metrics, service, store, broker } = options
  const registers = [metrics]
  const handled = new Counter({
    name: 'events_handled_total',
    help: 'Events by type and result: handled, retried, dead_lettered.',
    labelNames: ['type', 'result'],
    registers,
  })
  // From the start, so that a rate sees the first one.
  for (const { service: reader, subject: type } of subscriptions) {
    if (reader !== service) continue
    for (const result of handledResults) handled.inc({ type, result }, 0)
  }
  const published = new Counter({ name: 'events_published_total', help: 'Events put on the stream.', registers })
  const messaging = createMessaging({
    ...options,
    onHandled: (type, result) => handled.inc({ type, result }),
    onPublished: (rows) => published.inc(rows),
  })
  registerGauges(metrics, store, messaging, () => Number(broker.connected))
  if (streams.some(({ owner }) => owner === service)) registerStreamGauges(metrics, store, messaging)
  return messaging
}

function registerGauges(
  metrics: Registry,
  store: Store<MessagingTx, MessagingReads>,
  messaging: Messaging,
  connected: () => number,
): void {
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers: [metrics],
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
  gauge('nats_connected', '1 while the broker is connected.', connected)
  gauge('subscriptions_unbound', 'Subscriptions that nothing is read from just now.', messaging.unbound)
  gauge('dead_letters', 'Dead letters waiting for a person.', () => store.read.deadLetters.count())
  const leaseHeld = () => Number(messaging.lease.held())
  gauge('lease_held', '1 in the instance that relays, sweeps, mails and cleans up.', leaseHeld)
  gauge('store_commits', 'COMMITs of this process.', () => store.stats().commits)
  gauge('store_writes', 'Writes of this process; divided by store_commits: the mean batch.', () => store.stats().writes)
  gauge('store_writes_waiting', 'Writes waiting for their turn.', () => store.stats().waiting)
}

/** Of the stream that the service owns. */
function registerStreamGauges(
  metrics: Registry,
  store: Store<MessagingTx, MessagingReads>,
  messaging: Messaging,
): void {
  const registers = [metrics]
  new Gauge({
    name: 'stream_fill_ratio',
    help: 'Share of STREAM_MAX_BYTES that the stream holds; 0 in instances without the lease.',
    registers,
    collect() {
      this.set(messaging.streamFill())
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
