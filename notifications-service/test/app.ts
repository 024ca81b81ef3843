/** The real app on a real file in a temporary folder; only the broker, which HTTP does not need, is absent. */

import { join } from 'node:path'
import type { CloudEvent, EventData } from '@checkout/contracts/events.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { Signals } from '@checkout/messaging/broker.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { createJetStreamBroker } from '@checkout/messaging/jetstream.ts'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import pino from 'pino'
import { addContact } from '../src/add-contact.ts'
import { type AppDeps, buildApp } from '../src/app.ts'
import { createHandlers } from '../src/messages.ts'
import { createPush } from '../src/push.ts'
import { openNotificationsStore } from '../src/store/index.ts'
import { writeOrderLetter } from '../src/write-letter.ts'

const machine = createPlatform()

interface Test {
  teardown(after: () => void | Promise<void>): void
}

type Result = CloudEvent<'orders.paid.v1'> | CloudEvent<'orders.failed.v1'>

/** Never connected: push then works within this process only. */
export const unconnected = () =>
  createJetStreamBroker({
    url: 'nats://127.0.0.1:4222',
    name: 'test',
    streamMaxBytes: 1_000_000,
    platform: machine,
    deployment: TEST_SYSTEM,
  })

export async function notificationsApp(
  t: Test,
  {
    platform = machine,
    mailing = false,
    perMinute = 0,
    stream = {},
    signals = unconnected(),
    folder = temporaryFolder(),
  }: {
    platform?: Platform
    mailing?: boolean
    perMinute?: number
    stream?: Pick<AppDeps, 'pingEveryMs' | 'slowMs' | 'userFromQuery' | 'allowedHosts'>
    signals?: Signals
    folder?: ReturnType<typeof temporaryFolder>
  } = {},
) {
  const { dataDir, remove } = folder
  const store = openNotificationsStore({ dataDir, platform })
  const terms = { platform, mailing }
  const logger = pino({ level: 'silent' })
  const push = createPush({ store, signals, platform, logger })
  const deployment = TEST_SYSTEM
  const app = await buildApp({
    store,
    terms,
    push,
    platform,
    allowedOrigins: ['https://shop.example'],
    ...stream,
    handling: createHandling({
      service: 'notifications-service',
      handlers: createHandlers(terms),
      store,
      deployment,
      platform,
    }),
    broker: { connected: true, problem: undefined },
    deployment,
    logger,
    metrics: createMetrics(),
    instance: 1,
    version: '1.2.3',
    rateLimitPerMinute: perMinute,
  })
  t.teardown(async () => {
    await app.close()
    await store.close()
    remove()
  })
  return {
    app,
    store,
    push,
    folder,
    file: join(dataDir, 'notifications.sqlite'),
    /** What the consumer does with orders.paid and orders.failed. */
    settled: (event: Result) => store.write((tx) => writeOrderLetter(tx, event, arrival, terms)),
    /** What the consumer does with users.registered. */
    registered: (event: CloudEvent<'users.registered.v1'>) => store.write((tx) => addContact(tx, event, terms)),
    letters: async (userId = 'ada', query = 'limit=100') =>
      (await app.inject({ url: `/notifications?${query}`, headers: { 'x-user-id': userId } })).json(),
    write: (userId = 'ada', message: object = { subject: 'About my order', body: 'Please wrap it.' }) =>
      app.inject({ method: 'POST', url: '/notifications', headers: { 'x-user-id': userId }, payload: message }),
  }
}

export const ada = { 'x-user-id': 'ada' }
export const bob = { 'x-user-id': 'bob' }
export const arrival: Arrival = { streamSeq: 7, deliveries: 1, receivedAt: Date.now() }

const envelope = (id: string, correlationid: string) =>
  ({
    specversion: '1.0',
    id,
    source: '/orders-service',
    time: rfc3339(Date.now()),
    datacontenttype: 'application/json',
    correlationid,
  }) as const

const order = { userId: 'ada', amount: 149_900, currency: 'RUB', description: 'Sun hat' }

export function paidOf(
  change: Partial<EventData<'orders.paid.v1'>> = {},
  id = machine.newId(),
): CloudEvent<'orders.paid.v1'> {
  const orderId = change.orderId ?? machine.newId()
  return { ...envelope(id, orderId), type: 'orders.paid.v1', data: { ...order, ...change, orderId } }
}

export function failedOf(
  change: Partial<EventData<'orders.failed.v1'>> = {},
  id = machine.newId(),
): CloudEvent<'orders.failed.v1'> {
  const orderId = change.orderId ?? machine.newId()
  const data = { ...order, reason: 'insufficient_funds', ...change, orderId } as const
  return { ...envelope(id, orderId), type: 'orders.failed.v1', data }
}

export const registrationOf = (userId: string, name = 'Ada'): CloudEvent<'users.registered.v1'> => ({
  ...envelope(machine.newId(), userId),
  type: 'users.registered.v1',
  data: { userId, name, email: `${userId}@example.com` },
})
