/** The real app on a real file in a temporary folder; only the broker, which HTTP does not need, is absent. */

import { join } from 'node:path'
import type { CloudEvent } from '@checkout/contracts/events.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import pino from 'pino'
import { buildApp } from '../src/app.ts'
import { decideOrder } from '../src/decide-order.ts'
import { createHandlers } from '../src/messages.ts'
import { moveMoney } from '../src/move-money.ts'
import { openAccount } from '../src/open-account.ts'
import { openPaymentsStore } from '../src/store/index.ts'

const machine = createPlatform()

interface Test {
  teardown(after: () => void | Promise<void>): void
}

export type Payments = Awaited<ReturnType<typeof paymentsApp>>

export async function paymentsApp(
  t: Test,
  { platform = machine, perMinute = 0 }: { platform?: Platform; perMinute?: number } = {},
) {
  const { dataDir, remove } = temporaryFolder()
  const store = openPaymentsStore({ dataDir, platform })
  const terms = { platform, currency: 'RUB' }
  const deployment = TEST_SYSTEM
  const app = await buildApp({
    ...terms,
    store,
    handling: createHandling({
      service: 'payments-service',
      handlers: createHandlers(terms),
      store,
      deployment,
      platform,
    }),
    broker: { connected: true, problem: undefined },
    deployment,
    logger: pino({ level: 'silent' }),
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
    file: join(dataDir, 'payments.sqlite'),
    /** What the consumer does with orders.created. */
    decide: (event: CloudEvent<'orders.created.v1'>) => store.write((tx) => decideOrder(tx, event, arrival, terms)),
    emitted: async () => (await store.read.outbox.take(0, 10_000)).map(({ event }) => JSON.parse(event)),
    /** The relay has published everything. */
    async publish() {
      const rows = await store.read.outbox.take((await store.read.outbox.lastPublication())?.lastId ?? 0, 10_000)
      const [first, last] = [rows[0], rows.at(-1)]
      if (!first || !last) return
      const ids = { firstId: first.id, lastId: last.id, lastEventId: last.eventId }
      await store.write((tx) => tx.outbox.published({ ...ids, firstSeq: first.id, lastSeq: last.id }, 0))
    },
    /** Opens ada's account (or another's) with this balance. Not by HTTP: the app compiles its routes on first use. */
    open: (balance: number, userId = 'ada') =>
      store.write(async (tx) => {
        await openAccount(tx, userId, terms)
        const deposit = { kind: 'deposit', userId, amount: balance, idempotencyKey: undefined } as const
        if (balance > 0) await moveMoney(tx, deposit, terms)
      }),
    move: (what: 'deposits' | 'withdrawals', amount: number | string, headers: Record<string, string> = ada) =>
      app.inject({
        method: 'POST',
        url: `/accounts/me/${what}`,
        headers: { 'content-type': 'application/json', ...headers },
        payload: `{"amount":${amount}}`,
      }),
    /** Undefined when there is no account. */
    balance: async (userId = 'ada') => (await store.read.accounts.find(userId))?.balance,
  }
}

export const ada = { 'x-user-id': 'ada' }
export const bob = { 'x-user-id': 'bob' }
export const arrival: Arrival = { streamSeq: 7, deliveries: 1, receivedAt: Date.now() }

/** An order of ada's as it arrives; `change` overrides its data. */
export function orderOf(
  change: Partial<CloudEvent<'orders.created.v1'>['data']> = {},
  id = machine.newId(),
): CloudEvent<'orders.created.v1'> {
  const orderId = change.orderId ?? machine.newId()
  return {
    specversion: '1.0',
    id,
    source: '/orders-service',
    type: 'orders.created.v1',
    time: rfc3339(Date.now()),
    datacontenttype: 'application/json',
    correlationid: orderId,
    data: {
      userId: 'ada',
      userRegistered: false,
      amount: 100,
      currency: 'RUB',
      description: 'hat',
      ...change,
      orderId,
    },
  }
}
