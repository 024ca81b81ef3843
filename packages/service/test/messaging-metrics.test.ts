/** The messaging's figures as a scrape sees them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPlatform } from '@checkout/kernel/platform.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import type { OutboxReads } from '@checkout/messaging/port.ts'
import { recordingLogger } from '@checkout/testkit/logger.ts'
import { Registry } from 'prom-client'
import t from 'tap'
import { openPublisherStore } from '../../messaging/test/support/life.ts'
import { createMeasuredMessaging } from '../src/messaging-metrics.ts'

const machine = createPlatform()

async function withStore(body: (store: ReturnType<typeof openPublisherStore>) => Promise<void>) {
  const dir = mkdtempSync(join(tmpdir(), 'metrics-'))
  const store = openPublisherStore(dir)
  try {
    await body(store)
  } finally {
    await store.close()
    rmSync(dir, { recursive: true })
  }
}

t.test('a scrape of the metrics asks for the backlog once', async (t) => {
  await withStore(async (store) => {
    let asked = 0
    const backlog = async () => {
      asked += 1
      await new Promise(setImmediate)
      return { rows: 7, oldestMs: 2_500 }
    }
    const text = await metricsOf(store, { backlog }).metrics()
    t.match(text, /^outbox_backlog 7$/m)
    t.match(text, /^outbox_oldest_seconds 2.5$/m)
    t.equal(asked, 1)
  })
})

t.test('of two scrapes at once each shows the arrears that it has read', async (t) => {
  await withStore(async (store) => {
    const found = [[{ durable: 'payments', rows: 5 }], []]
    const spans = async () => {
      const answer = found.shift() ?? []
      await new Promise(setImmediate)
      return answer
    }
    const metrics = metricsOf(store, { arrears: { ...store.read.outbox.arrears, spans } })
    const [owed, settled] = await Promise.all([metrics.metrics(), metrics.metrics()])
    t.match(owed, /^outbox_arrears\{durable="payments"\} 5$/m)
    t.notMatch(settled, /^outbox_arrears\{/m)
  })
})

/** What a service with this store shows, whose outbox reads as `outbox` says. */
function metricsOf(store: ReturnType<typeof openPublisherStore>, outbox: Partial<OutboxReads>): Registry {
  const metrics = new Registry()
  createMeasuredMessaging({
    service: 'orders-service',
    store: { ...store, read: { ...store.read, outbox: { ...store.read.outbox, ...outbox } } },
    handling: { handle: () => Promise.resolve(false) },
    broker: { connected: false, onConnection: () => () => {} } as unknown as Broker,
    platform: machine,
    logger: recordingLogger().logger,
    metrics,
  })
  return metrics
}
