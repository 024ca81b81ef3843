/** The real app on a real file in a temporary folder; only the broker, which HTTP does not need, is absent. */

import { join } from 'node:path'
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import pino from 'pino'
import { buildApp } from '../src/app.ts'
import { handlers } from '../src/messages.ts'
import { openOrdersStore } from '../src/store/index.ts'

const machine = createPlatform()

interface Test {
  teardown(after: () => void | Promise<void>): void
}

export async function ordersApp(
  t: Test,
  { platform = machine, perMinute = 0 }: { platform?: Platform; perMinute?: number } = {},
) {
  const { dataDir, remove } = temporaryFolder()
  const store = openOrdersStore({ dataDir, platform })
  const broker: { connected: boolean; problem: string | undefined } = { connected: true, problem: undefined }
  const deployment = TEST_SYSTEM
  const app = await buildApp({
    handling: createHandling({ service: 'orders-service', handlers, store, deployment, platform }),
    store,
    platform,
    currency: 'RUB',
    broker,
    deployment,
    logger: pino({ level: 'silent' }),
    metrics: createMetrics(),
    instance: 2,
    version: '1.2.3',
    rateLimitPerMinute: perMinute,
  })
  t.teardown(async () => {
    await app.close()
    await store.close()
    remove()
  })
  return { app, store, broker, file: join(dataDir, 'orders.sqlite') }
}

export const ada = { 'x-user-id': 'ada' }
export const bob = { 'x-user-id': 'bob' }

/** Payments' outcome on an order of ada's, as it arrives. */
export function outcomeOf(orderId: string, reason?: FailureReason, id = machine.newId()) {
  const envelope = {
    specversion: '1.0',
    id,
    source: '/payments-service',
    time: rfc3339(Date.now()),
    datacontenttype: 'application/json',
    correlationid: orderId,
  } as const
  const data = { orderId, userId: 'ada', amount: 149_900 }
  return reason === undefined
    ? ({
        ...envelope,
        type: 'payments.succeeded.v1',
        data: { ...data, transactionId: machine.newId() },
      } satisfies CloudEvent<'payments.succeeded.v1'>)
    : ({
        ...envelope,
        type: 'payments.failed.v1',
        data: { ...data, reason },
      } satisfies CloudEvent<'payments.failed.v1'>)
}

export const arrival = (receivedAt = Date.now()): Arrival => ({ streamSeq: 7, deliveries: 1, receivedAt })
