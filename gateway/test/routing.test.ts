import type { RequestListener } from 'node:http'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { dial, problemOf, startGateway, startService } from './helpers.ts'

/** An upstream that says who it is and what target it saw. */
const named =
  (name: string): RequestListener =>
  (request, response) =>
    response.end(`${name} ${request.url}`)

t.test('routing table', async (t) => {
  const [orders, payments, notifications, web] = await Promise.all(
    ['orders', 'payments', 'notifications', 'web'].map((name) => startService(t, named(name))),
  )
  if (!orders || !payments || !notifications || !web) throw new Error('unreachable')
  const { url } = await startGateway(t, {
    orders: [orders.url],
    payments: [payments.url],
    notifications: [notifications.url],
    web: [web.url],
  })
  const ask = async (path: string, init?: RequestInit) => (await fetch(url + path, init)).text()

  const table: [path: string, seen: string][] = [
    ['/users', 'orders /users'],
    ['/users/me', 'orders /users/me'],
    ['/orders?limit=2&cursor=a%2Fb', 'orders /orders?limit=2&cursor=a%2Fb'],
    ['/orders/1', 'orders /orders/1'],
    ['/accounts/me/transactions', 'payments /accounts/me/transactions'],
    ['/notifications', 'notifications /notifications'],
    ['/notifications/stream', 'notifications /notifications/stream'],
    ['/journeys/payments/1', 'payments /journeys/payments/1'],
    ['/status/notifications', 'notifications /status/notifications'],
    ['/docs/orders/', 'orders /docs/'],
    ['/docs/payments/json?a=1', 'payments /docs/json?a=1'],
    ['/docs/notifications/static/index.css', 'notifications /docs/static/index.css'],
    ['/', 'web /'],
    ['/docs/', 'web /docs/'],
    ['/docs/page.css', 'web /docs/page.css'],
    ['/usersfoo', 'web /usersfoo'],
    ['/admin/dead-letters', 'web /admin/dead-letters'],
  ]
  for (const [path, seen] of table) t.equal(await ask(path), seen, path)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    t.equal(await ask('/orders', { method }), 'orders /orders', method)
  }

  t.test('an absolute target is understood', async (t) => {
    const { received } = await dial(
      t,
      url,
      'GET http://shop.example/docs/orders/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    await until('answered', () => received.closed)
    t.match(received.text, /orders \/docs\/json/)
  })

  t.test("a service's own pages stay out of reach", async (t) => {
    for (const path of [
      '/orders/../admin/dead-letters',
      '/docs/orders/../metrics',
      '/docs/orders//admin/dead-letters',
    ]) {
      const { received } = await dial(t, url, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      await until('answered', () => received.closed)
      t.notMatch(received.text, /orders \/(admin|metrics)/, path)
    }
  })

  t.test('unknown parts are answered by the gateway', async (t) => {
    for (const path of ['/status/foo', '/status', '/status/web', '/journeys/foo/1', '/journeys/']) {
      const response = await fetch(url + path)
      t.equal(response.status, 404, path)
      t.equal(response.headers.get('cache-control'), 'no-store')
      t.equal(response.headers.get('x-content-type-options'), 'nosniff')
      const problem = await problemOf(response)
      t.match(problem, { mediaType: 'application/problem+json', code: 'route_not_found', status: 404 })
      t.equal(problem.requestId, response.headers.get('x-request-id'))
    }
  })

  t.test('pages of documentation without their slash redirect', async (t) => {
    for (const [path, location] of [
      ['/docs', '/docs/'],
      ['/docs/events', '/docs/events/'],
      ['/docs/orders', '/docs/orders/'],
      ['/docs/payments?a=1', '/docs/payments/?a=1'],
    ] as const) {
      const response = await fetch(url + path, { redirect: 'manual' })
      t.equal(response.status, 302, path)
      t.equal(response.headers.get('location'), location)
    }
  })

  t.test('an upgrade that is not for the stream is an ordinary request', async (t) => {
    const text =
      'GET /orders/2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n'
    const { received } = await dial(t, url, text)
    await until('answered', () => received.text.includes('orders /orders/2'))
  })

  t.test('its own health and metrics', async (t) => {
    t.equal((await fetch(`${url}/health/live`)).status, 200)
    const ready = await fetch(`${url}/health/ready`)
    t.equal(ready.status, 200)
    t.match(await ready.json(), {
      status: 'ok',
      upstreams: { orders: { status: 'ok', instances: [{ url: orders.url, live: true }] }, web: { status: 'ok' } },
    })
    t.match(
      await ask('/metrics'),
      /http_request_duration_seconds_count{method="GET",route="\/orders\/\*",status="200"}/,
    )
  })
})

t.test("redirects of a service's documentation stay below it", async (t) => {
  const orders = await startService(t, (request, response) => {
    const location = request.url === '/docs/a' ? '/docs/static/index.html' : './static/index.html'
    response.writeHead(302, { location }).end()
  })
  const { url } = await startGateway(t, { orders: [orders.url] })
  const locationOf = async (path: string) => (await fetch(url + path, { redirect: 'manual' })).headers.get('location')
  t.equal(await locationOf('/docs/orders/a'), '/docs/orders/static/index.html')
  t.equal(await locationOf('/docs/orders/b'), './static/index.html')
})

t.test('not ready while a service has no live instance', async (t) => {
  const orders = await startService(t, named('orders'))
  const { url } = await startGateway(t, { orders: [orders.url] })
  const ready = await fetch(`${url}/health/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), {
    status: 'failed',
    upstreams: { orders: { status: 'ok' }, payments: { status: 'failed' } },
  })
})
