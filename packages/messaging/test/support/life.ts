/** One life of a service's messaging: its broker connection, its store, its consumers and duties, and what it logged. */
import { join } from 'node:path'
import type { EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { subscriptions } from '@checkout/contracts/topology.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Deployment } from '@checkout/store/deployment.ts'
import type { Store } from '@checkout/store/port.ts'
import { openStore, type Database as Place } from '@checkout/store/store.ts'
import { assertNoChildren } from '@checkout/testkit/children.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { type LogLine, recordingLogger } from '@checkout/testkit/logger.ts'
import { startNats, type TestNats } from '@checkout/testkit/nats.ts'
import { type TestStores, testStores } from '@checkout/testkit/stores.ts'
import Database from 'better-sqlite3'
import type { Test } from 'tap'
import type { Broker } from '../../src/broker.ts'
import { createHandling, type Handlers } from '../../src/handling.ts'
import { createJetStreamBroker, type JetStreamBroker } from '../../src/jetstream.ts'
import { createMessaging, type Messaging } from '../../src/messaging.ts'
import type { MessagingReads, MessagingTx } from '../../src/port.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '../../src/store.ts'

const machine = createPlatform()

export const STREAM_MAX_BYTES = 256 * 1024 ** 2

export interface Life<Tx extends MessagingTx> {
  readonly store: Store<Tx, MessagingReads>
  readonly messaging: Messaging & {
    /** Whether nothing waits anywhere on the way of these events: not in the outbox, not at a durable. */
    backlogsEmpty(types: readonly EventType[]): Promise<boolean>
  }
  /** The connection as the messaging sees it: wrapped, when the test wrapped it. */
  readonly broker: Broker
  readonly logs: LogLine[]
  /** Ends it in the order in which a service does. */
  stop(): Promise<void>
}

export interface LifeOptions<Tx extends MessagingTx> {
  service: ServiceName
  url: string
  store: Store<Tx, MessagingReads>
  handlers: Handlers<Tx>
  /** Puts something between the messaging and NATS. */
  wrap?: (broker: JetStreamBroker) => Broker
  retentionMs?: number
  retryMs?: number
  streamMaxBytes?: number
  platform?: Platform
  deployment?: Deployment
}

/** Resolves when it is connected; so the nats-server must be up. */
export async function startLife<Tx extends MessagingTx>(options: LifeOptions<Tx>): Promise<Life<Tx>> {
  const {
    service,
    url,
    store,
    handlers,
    wrap = (b) => b,
    retentionMs,
    retryMs,
    streamMaxBytes = STREAM_MAX_BYTES,
    deployment = TEST_SYSTEM,
    platform = machine,
  } = options
  const { logger, lines: logs } = recordingLogger('debug')
  const claim = { service, store }
  const connection = createJetStreamBroker({ url, name: service, streamMaxBytes, platform, deployment, claim, logger })
  const broker = wrap(connection)
  const messaging = createMessaging({
    service,
    store,
    handling: createHandling({ service, handlers, store, deployment, platform }),
    broker,
    platform,
    logger,
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(retryMs === undefined ? {} : { retryMs }),
  })
  messaging.start()
  await connection.connect()
  let ended: Promise<void> | undefined
  const end = async () => {
    await messaging.stop()
    await connection.close()
    await store.close()
  }
  return {
    store,
    messaging: {
      ...messaging,
      async backlogsEmpty(types) {
        if (!broker.connected || (await store.read.outbox.backlog()).rows > 0) return false
        const states = await Promise.all(subscriptions.filter((s) => types.includes(s.subject)).map(broker.durable))
        return states.every((state) => state !== undefined && state.pending + state.ackPending === 0)
      },
    },
    broker,
    logs,
    stop() {
      ended ??= end()
      return ended
    },
  }
}

/** A store of a service that only publishes. */
export const openPublisherStore = (dir: string, platform: Platform = machine) =>
  openMessagingStore({ file: publisherFile(dir) }, platform)

export const openMessagingStore = (database: Place, platform: Platform = machine) =>
  openStore({
    database,
    migrations: messagingMigrations,
    platform,
    writes: (writer) => messagingWrites(writer, { source: '/publisher', platform }),
    reads: (reader) => messagingReads(reader, platform),
  })

export const publisherFile = (dir: string) => join(dir, 'publisher.sqlite')

/** A broker that differs from another in some methods. */
export const patched = (broker: Broker, own: Partial<Broker>): Broker =>
  new Proxy(broker, {
    get: (target, name) => Reflect.get(own, name) ?? Reflect.get(target, name, target),
  })

export interface Stage {
  readonly nats: TestNats
  readonly stores: TestStores
  /** For the SQLite files of this test. */
  readonly dir: string
  /** Called after the body, newest first, however that ended. */
  atEnd(close: () => Promise<unknown> | unknown): void
}

/**
 * Runs `body` with a nats-server and a folder of its own. Afterwards everything is stopped, and the test fails when a
 * child process, a timer or a socket is left.
 */
export async function withStage(t: Test, body: (stage: Stage) => Promise<void>): Promise<void> {
  const stores = await testStores()
  const before = resources()
  const closers: (() => Promise<unknown> | unknown)[] = []
  const nats = await startNats()
  const dir = stores.options.dataDir
  try {
    await body({ nats, stores, dir, atEnd: (close) => void closers.unshift(close) })
  } finally {
    nats.resume()
    for (const close of closers) await close()
    await nats.stop()
    await stores.remove()
  }
  assertNoChildren(t)
  const left = () => resources().filter((name) => !take(before, name))
  await eventually(() => resources().length <= before.length, { what: 'no timer or socket is left' })
    .then(() => t.pass('no timer or socket is left'))
    .catch(() => t.fail(`left behind: ${left().join(', ')}`))
}

/** Timers and sockets that keep this process alive. Pipes are tap's own. */
const resources = () => process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|Process/.test(name))

function take(names: string[], name: string): boolean {
  const at = names.indexOf(name)
  if (at >= 0) names.splice(at, 1)
  return at >= 0
}

/** Rows of a file, read by a connection of its own, as another program would. */
export function query<T>(file: string, sql: string, ...values: unknown[]): T[] {
  const db = new Database(file, { readonly: true, timeout: 5_000 })
  try {
    return db.prepare(sql).all(...values) as T[]
  } finally {
    db.close()
  }
}

/** Changes a file by a connection of its own, as another program would. */
export function change(file: string, sql: string, ...values: unknown[]): void {
  const db = new Database(file, { timeout: 5_000 })
  try {
    db.prepare(sql).run(...values)
  } finally {
    db.close()
  }
}
