import type { AddressInfo } from 'node:net'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { oddTargets, statusOf } from '@checkout/testkit/odd-targets.ts'
import t from 'tap'
import { ada, testApp } from './app.ts'

const docs = { title: 'orders-service', description: 'Orders.', version: '1.2.3' }

t.test('no target is a 5xx', async (t) => {
  const health = { store: () => true, nats: () => true }
  const { app, lines } = await testApp({ docs, health, metrics: createMetrics() })
  app.get('/orders/:id', async ({ params }) => params)
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const wrong: string[] = []
  for (const target of oddTargets(['', '/orders', '/docs', '/docs/static', '/health', '/metrics'])) {
    const status = await statusOf(port, target, ada)
    if (status === undefined || status >= 500) wrong.push(`${status} ${target.slice(0, 100)}`)
  }
  t.strictSame(wrong, [])
  t.strictSame(
    lines.filter(({ level }) => Number(level) >= 50),
    [],
    'nothing is logged as a mistake',
  )
})

t.test('no condition or range on a static file is a 5xx', async (t) => {
  const { app } = await testApp({ docs })
  t.teardown(() => app.close())
  for (const [name, value] of [
    ['range', 'bytes=99999999-'],
    ['range', 'bytes=5-1'],
    ['range', 'nonsense'],
    ['range', 'bytes=0-0,2-3,9-'],
    ['if-match', '"x"'],
    ['if-none-match', '*'],
    ['if-unmodified-since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
    ['if-modified-since', 'yesterday'],
    ['if-range', '"x"'],
    ['accept-encoding', 'x'.repeat(1_000)],
    ['accept', '%%%'],
  ] as const) {
    const { statusCode } = await app.inject({ url: '/docs/static/index.css', headers: { [name]: value } })
    t.ok(statusCode < 500, `${name}: ${value.slice(0, 40)}: ${statusCode}`)
  }
})
