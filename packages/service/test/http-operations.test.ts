import { Counter } from 'prom-client'
import t from 'tap'
import { createMetrics } from '../src/metrics.ts'
import { RateWindows } from '../src/rate-windows.ts'
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
  const { app } = await testApp({ rateLimitPerMinute: 2, health: { store: () => true, nats: () => true } })
  t.teardown(() => app.close())
  const get = (user: string) => app.inject({ url: '/orders', headers: { 'x-user-id': user } })
  t.equal((await get('ada')).statusCode, 200)
  t.equal((await get('ada')).statusCode, 200)
  const refused = await get('ada')
  t.match(refused.json(), { status: 429, code: 'rate_limited' })
  t.match(refused.headers['retry-after'], /^([1-9]|[1-5]\d|60)$/)
  t.equal((await get('bob')).statusCode, 200, 'another user is not limited')
  for (let i = 0; i < 5; i++) t.equal((await app.inject('/health/ready')).statusCode, 200)
  t.equal((await app.inject('/orders')).statusCode, 401, 'without a user there is nothing to count')
})

t.test('a wall clock that is set neither ends the minute nor makes it longer', async (t) => {
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  const counts: number[] = []
  const windows = new RateWindows()
  const count = (timeWindow: number) =>
    windows.incr('ada', (_, result) => counts.push(result?.current ?? 0), timeWindow)
  count(60_000)
  for (const hours of [26, -26, 1, -1]) {
    Date.now = () => now() + hours * 3_600_000
    count(60_000)
  }
  t.strictSame(counts, [1, 2, 3, 4, 5], 'within one minute')
  await new Promise((resolve) => setTimeout(resolve, 20))
  count(10)
  t.equal(counts.at(-1), 1, 'after its time a new one')
  for (let i = 0; i < 20_000; i++) windows.incr(`user-${i}`, () => {}, 60_000)
  count(60_000)
  t.equal(counts.at(-1), 1, 'the number of keys is bounded')
})

t.test('without a rate limit nothing is counted', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const response = await app.inject({ url: '/orders', headers: ada })
  t.equal(response.headers['x-ratelimit-limit'], undefined)
})
