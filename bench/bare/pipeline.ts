/**
 * The pipeline of an order with nothing around it: what the same parts do on this machine without a gateway, validation of
 * events, logs, metrics, journeys, idempotency keys, retries, leases or push. Durable as the services are (WAL, FULL, group
 * commit, outbox, inbox, ack after commit), so the difference is what all of that costs. Not for anything but measuring.
 */
import { AckPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import Database from 'better-sqlite3'

const BATCH = 256

export interface BareEvent {
  id: string
  type: string
  data: { orderId: string; userId: string; amount: number }
}

export type Bare = ReturnType<typeof openBare>

/** A file with inbox, outbox and `schema`, and the writes of one turn of the event loop in one COMMIT. */
export function openBare(file: string, schema: string) {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec(`CREATE TABLE inbox (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
           CREATE TABLE outbox (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, event TEXT NOT NULL) STRICT;
           ${schema}`)
  const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')]
  const claim = db.prepare('INSERT OR IGNORE INTO inbox VALUES (?)')
  const append = db.prepare('INSERT INTO outbox (id, type, event) VALUES (?, ?, ?)')
  let waiting: { work: () => void; done: () => void }[] = []

  function run(): void {
    const batch = waiting
    waiting = []
    begin.run()
    for (const { work } of batch) work()
    commit.run()
    for (const { done } of batch) done()
  }

  return {
    db,
    write: (work: () => void) =>
      new Promise<void>((done) => {
        if (waiting.push({ work, done }) === 1) setImmediate(run)
      }),
    /** True the first time. */
    claim: (id: string): boolean => claim.run(id).changes === 1,
    append(type: string, data: BareEvent['data']): void {
      const id = crypto.randomUUID()
      append.run(id, type, JSON.stringify({ specversion: '1.0', id, source: '/bare', type, data }))
    },
  }
}

/** Publishes what is in the outbox, in order, and deletes it. Returns the wake-up. */
export function relay({ db }: Bare, nats: NatsConnection): () => Promise<void> {
  const next = db.prepare('SELECT seq, id, type, event FROM outbox ORDER BY seq LIMIT ?')
  const published = db.prepare('DELETE FROM outbox WHERE seq <= ?')
  const stream = jetstream(nats)
  let running = false
  return async () => {
    if (running) return
    running = true
    for (;;) {
      const rows = next.all(BATCH) as { seq: number; id: string; type: string; event: string }[]
      const last = rows.at(-1)
      if (!last) break
      await Promise.all(rows.map(({ id, type, event }) => stream.publish(type, event, { msgID: id })))
      published.run(last.seq)
    }
    running = false
  }
}

/** Handles the events of one subject, each once, and acknowledges after the COMMIT. */
export async function consume(
  bare: Bare,
  nats: NatsConnection,
  from: { stream: string; subject: string; durable: string },
  handle: (event: BareEvent) => void,
  after: () => void,
): Promise<void> {
  const manager = await jetstreamManager(nats)
  await manager.consumers.add(from.stream, {
    durable_name: from.durable,
    filter_subject: from.subject,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 2_000,
  })
  const consumer = await jetstream(nats).consumers.get(from.stream, from.durable)
  const apply = async (message: JsMsg) => {
    const event = message.json<BareEvent>()
    await bare.write(() => {
      if (bare.claim(event.id)) handle(event)
    })
    message.ack()
    after()
  }
  for await (const message of await consumer.consume({ max_messages: 1_000 })) void apply(message)
}
