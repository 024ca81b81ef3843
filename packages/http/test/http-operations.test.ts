import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { Counter } from 'prom-client'
import t from 'tap'
import { networkOf } from '../src/rate-limit.ts'
import { ada, testApp } from './app.ts'

t.test('health: a missing broker degrades, a missing store is unready', async (t) => {
  const state = { store: true, nats: true }
  const { app } = await testApp({
    health: {
      store: () => {
        if (!state.store) throw new Error('disk I/O error')
        return true
      },
      nats: async () => state.nats,
    },
  })
  t.teardown(() => app.close())
  const ready = async () => {
    const { statusCode, body } = await app.inject('/health/ready')
    return [statusCode, JSON.parse(body)]
  }
  t.strictSame(await ready(), [200, { status: 'ok', store: 'ok', nats: 'ok' }])
  state.nats = false
  t.strictSame(await ready(), [200, { status: 'degraded', store: 'ok', nats: 'degraded' }])
  state.store = false
  t.strictSame(await ready(), [503, { status: 'failed', store: 'failed', nats: 'degraded' }])
  t.equal((await app.inject('/health/live')).statusCode, 200, 'alive without the store')
})

t.test('metrics: requests by route pattern, process metrics, and the own ones of a service', async (t) => {
  const metrics = createMetrics()
  new Counter({ name: 'orders_placed_total', help: 'Orders placed.', registers: [metrics] }).inc(3)
  const { app } = await testApp({ metrics })
  t.teardown(() => app.close())
  await app.inject({ url: '/orders', headers: ada })
  await app.inject({ url: '/orders?limit=2', headers: ada })
  await app.inject('/throw/problem')
  await app.inject('/nowhere/1')
  await app.inject('/nowhere/2')
  const { body, headers } = await app.inject('/metrics')
  t.match(headers['content-type'], /^text\/plain/)
  const count = (labels: string) =>
    body.split('\n').find((line) => line.startsWith(`http_request_duration_seconds_count{${labels}}`))
  t.match(count('method="GET",route="/orders",status="200"'), / 2$/)
  t.match(count('method="GET",route="/throw/:what",status="404"'), / 1$/)
  t.match(count('method="GET",route="unmatched",status="404"'), / 2$/)
  t.match(body, /^process_cpu_seconds_total/m)
  t.match(body, /^orders_placed_total 3$/m)
})

t.test('the rate limit is per user and answers 429 with Retry-After', async (t) => {
  let now = 0
  const platform = { ...createPlatform(), monotonic: () => now }
  const { app } = await testApp({
    platform,
    rateLimits: { perMinute: 2 },
    health: { store: () => true, nats: () => true },
  })
  t.teardown(() => app.close())
  const get = (user: string) => app.inject({ url: '/orders', headers: { 'x-user-id': user } })
  const left = ({ headers }: { headers: Record<string, unknown> }) => [headers['ratelimit-policy'], headers.ratelimit]
  t.strictSame(left(await get('ada')), ['"user";q=2;w=60', '"user";r=1;t=60'])
  now = 17_500
  t.strictSame(left(await get('ada')), ['"user";q=2;w=60', '"user";r=0;t=43'])
  const refused = await get('ada')
  t.match(refused.json(), { status: 429, code: 'rate_limited' })
  t.equal(refused.headers['retry-after'], '43')
  t.strictSame(left(refused), ['"user";q=2;w=60', '"user";r=0;t=43'])
  t.equal((await get('bob')).statusCode, 200, 'another user is not limited')
  for (let i = 0; i < 5; i++) t.equal((await app.inject('/health/ready')).statusCode, 200)
  for (let i = 0; i < 5; i++) t.equal((await app.inject('/orders')).statusCode, 401, 'nobody is counted here')
  now = 60_000
  t.equal((await get('ada')).statusCode, 200, 'a new minute')
})

t.test('where nobody asks it is per client address', async (t) => {
  const asked = async (proxiesInFront: number, requests: [forwarded: string | undefined, userId?: string][]) => {
    const { app } = await testApp({ rateLimits: { perMinute: 1, proxiesInFront } })
    const statuses = []
    for (const [forwarded, userId] of requests) {
      const headers = { ...(forwarded && { 'x-forwarded-for': forwarded }), ...(userId && { 'x-user-id': userId }) }
      statuses.push((await app.inject({ method: 'POST', url: '/users', headers })).statusCode)
    }
    await app.close()
    return statuses
  }
  t.strictSame(await asked(0, [[undefined], [undefined]]), [200, 429], 'without a gateway: whoever connects')
  t.strictSame(await asked(0, [['192.0.2.1'], ['192.0.2.2'], ['192.0.2.1']]), [200, 200, 429])
  t.strictSame(
    await asked(0, [['1.1.1.1, 192.0.2.1'], ['2.2.2.2, 192.0.2.1']]),
    [200, 429],
    'the client wrote the first',
  )
  t.strictSame(await asked(1, [['192.0.2.1, 10.0.0.1'], ['192.0.2.2, 10.0.0.1']]), [200, 200], 'behind a proxy')
  t.strictSame(await asked(1, [['1.1.1.1, 192.0.2.1, 10.0.0.1'], ['192.0.2.1, 10.0.0.1']]), [200, 429])
  t.strictSame(await asked(0, [['2001:db8::1'], ['2001:db8:0:0:ffff::2'], ['2001:db8:0:1::1']]), [200, 429, 200])
  t.strictSame(await asked(0, [['192.0.2.1', 'ada'], ['192.0.2.1', 'bob'], ['192.0.2.1']]), [200, 200, 200], 'by user')
})

t.test('addresses as they are counted', async (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('2001:DB8:00a::1'), '2001:db8:a:0')
  t.equal(networkOf('[2001:db8:1:2:3:4:5:6]'), '2001:db8:1:2')
  t.equal(networkOf('::1'), '0:0:0:0')
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0')
  t.equal(networkOf('unknown'), 'unknown')
})

t.test('without a rate limit nothing is counted', async (t) => {
  for (const options of [{}, { rateLimits: { perMinute: 0 } }]) {
    const { app } = await testApp(options)
    t.teardown(() => app.close())
    const response = await app.inject({ url: '/orders', headers: ada })
    t.equal(response.headers.ratelimit, undefined)
  }
})
