/**
 * What this machine can do at most of the three things the system is made of, each alone: HTTP, durable commits and
 * broker publishes. The system's own numbers mean something only beside these.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseUrl } from '@checkout/messaging/nats-url.ts'
import { jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import Database from 'better-sqlite3'
import { postOrders } from './load.ts'
import { newUser } from './users.ts'

const SECONDS = 3
const HTTP_CONNECTIONS = 64
const ROWS_PER_COMMIT = [1, 16, 256]
/** Publishes in flight, as many as the relay sends before it waits. */
const PUBLISHES_IN_FLIGHT = 256
/** About the size of an `orders.created` event. */
const PAYLOAD = JSON.stringify({ data: 'x'.repeat(600) })

export interface Limit {
  what: string
  /** Per second; null when it could not be measured. */
  perSecond: number | null
  why?: string
}

/** Measures all limits, one after another. `dataDir` is where the services' files are: commits go to the same disk. */
export async function measureLimits(dataDir: string, natsUrl: string, progress: (text: string) => void) {
  progress(`limits: bare Fastify, ${SECONDS} s`)
  const limits = [await bareFastify()]
  for (const rows of ROWS_PER_COMMIT) {
    progress(`limits: SQLite, ${rows} orders per commit, ${SECONDS} s`)
    limits.push(sqliteCommits(dataDir, rows))
  }
  progress(`limits: JetStream, ${SECONDS} s`)
  limits.push(await jetstreamPublishes(natsUrl))
  return limits
}

async function bareFastify(): Promise<Limit> {
  const child = fork(new URL('./bare-fastify.ts', import.meta.url).pathname)
  try {
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const load = await postOrders({
      baseUrl: `http://127.0.0.1:${port}`,
      users: [newUser('limit')],
      connections: HTTP_CONNECTIONS,
      seconds: SECONDS,
      progress() {},
    })
    const seconds = (load.lastAnswerAt - load.firstPostAt) / 1_000
    return { what: `bare Fastify POST, ${HTTP_CONNECTIONS} connections`, perSecond: load.accepted / seconds }
  } finally {
    child.kill()
  }
}

/** Orders per second of one connection that commits `orders` orders (an order row and an outbox row each) at a time. */
function sqliteCommits(dataDir: string, orders: number): Limit {
  const file = join(existsSync(dataDir) ? dataDir : tmpdir(), `bench-${process.pid}.sqlite`)
  const db = new Database(file)
  try {
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, payload TEXT NOT NULL) STRICT;
             CREATE TABLE outbox (id INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT;`)
    const insertOrder = db.prepare('INSERT INTO orders (id, payload) VALUES (?, ?)')
    const insertEvent = db.prepare('INSERT INTO outbox (payload) VALUES (?)')
    let count = 0
    const commit = db.transaction(() => {
      for (let i = 0; i < orders; i += 1) {
        count += 1
        insertOrder.run(`order-${String(count).padStart(12, '0')}`, PAYLOAD)
        insertEvent.run(PAYLOAD)
      }
    })
    const started = performance.now()
    while (performance.now() - started < SECONDS * 1_000) commit.immediate()
    const perSecond = (count / (performance.now() - started)) * 1_000
    return { what: `SQLite, FULL, ${orders} order${orders > 1 ? 's' : ''} per commit`, perSecond }
  } finally {
    db.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  }
}

/** Publishes per second to a file stream of its own on the running broker, which is deleted afterwards. */
async function jetstreamPublishes(natsUrl: string): Promise<Limit> {
  const what = `JetStream publishes, file storage, ${PUBLISHES_IN_FLIGHT} in flight`
  const name = `BENCH_${process.pid}`
  try {
    const connection = await connect({ ...parseUrl(natsUrl), maxReconnectAttempts: 0, timeout: 2_000 })
    try {
      const manager = await jetstreamManager(connection)
      await manager.streams.add({ name, subjects: [`${name}.>`], storage: StorageType.File })
      const stream = jetstream(connection)
      const started = performance.now()
      let count = 0
      try {
        while (performance.now() - started < SECONDS * 1_000) {
          const batch = Array.from({ length: PUBLISHES_IN_FLIGHT }, (_, i) =>
            stream.publish(`${name}.order`, PAYLOAD, { msgID: `${count + i}` }),
          )
          await Promise.all(batch)
          count += batch.length
        }
        return { what, perSecond: (count / (performance.now() - started)) * 1_000 }
      } finally {
        await manager.streams.delete(name)
      }
    } finally {
      await connection.close()
    }
  } catch (error) {
    return {
      what,
      perSecond: null,
      why: `${parseUrl(natsUrl).servers}: ${error instanceof Error ? error.message : error}`,
    }
  }
}
