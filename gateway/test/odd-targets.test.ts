/** Through the gateway, to services that are there: no request target is answered with a 5xx. */

import type { AddressInfo } from 'node:net'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { oddTargets, statusOf } from '@checkout/testkit/odd-targets.ts'
import t from 'tap'
import { testApp } from '../../packages/http/test/app.ts'
import { buildApp } from '../src/app.ts'
import { createUpstream } from '../src/upstream.ts'

const machine = createPlatform()

t.test('no target is a 5xx', async (t) => {
  const logger = createLogger({ name: 'gateway', instance: 1, level: 'silent' })
  const docs = { title: 'orders-service', description: 'Orders.', version: '1.2.3' }
  const { app: service } = await testApp({ docs, health: { store: () => true, nats: () => true } })
  await service.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(service.server.address() as AddressInfo).port}`
  const upstream = () => createUpstream('orders', [url], machine, logger)
  const upstreams = { orders: upstream(), payments: upstream(), notifications: upstream(), web: upstream() }
  await Promise.all(Object.values(upstreams).map((one) => one.start()))
  const app = await buildApp({ upstreams, platform: machine, logger, metrics: createMetrics() })
  t.teardown(async () => {
    await app.close()
    await Promise.all(Object.values(upstreams).map((one) => one.close()))
    await service.close()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const wrong: string[] = []
  for (const target of oddTargets(['', '/orders', '/docs/orders', '/docs/orders/static', '/status/orders'])) {
    const status = await statusOf(port, target, { 'X-User-Id': 'ada' })
    if (status === undefined || status >= 500) wrong.push(`${status} ${target.slice(0, 100)}`)
  }
  t.strictSame(wrong, [])
})
