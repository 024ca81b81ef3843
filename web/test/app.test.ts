import { createLogger } from '@checkout/service/logging.ts'
import { createMetrics } from '@checkout/service/metrics.ts'
import t from 'tap'
import { buildApp } from '../src/app.ts'

const app = await buildApp({
  logger: createLogger({ name: 'web', instance: 1, level: 'silent' }),
  metrics: createMetrics(),
})
t.teardown(() => app.close())

t.test('pages', async (t) => {
  for (const [url, text] of [
    ['/', /<h1>Checkout<\/h1>/],
    ['/docs/', /<h1>API documentation<\/h1>/],
  ] as const) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 200, url)
    t.equal(response.headers['content-type'], 'text/html; charset=utf-8')
    t.match(response.headers['content-security-policy'], /^default-src 'none';/)
    t.match(response.body, text)
    t.notMatch(response.body, /<script|<style|style=/, 'nothing that the policy would block')
  }
  for (const part of ['orders', 'payments', 'notifications']) {
    t.match((await app.inject({ url: '/docs/' })).body, `href="/docs/${part}/"`)
  }
})

t.test('each link of its own leads somewhere', async (t) => {
  for (const page of ['/', '/docs/']) {
    const { body } = await app.inject({ url: page })
    const links = [...body.matchAll(/href="([^"]+)"/g)].map(([, href]) => href ?? '')
    t.ok(links.length > 1)
    // A part's pages come from its service, through the gateway.
    for (const url of links.filter((href) => !/^\/docs\/\w/.test(href))) {
      t.equal((await app.inject({ url })).statusCode, 200, url)
    }
  }
})

t.test('health', async (t) => {
  for (const url of ['/health/live', '/health/ready']) t.equal((await app.inject({ url })).statusCode, 200, url)
})

t.test('everything else is not found, as a problem', async (t) => {
  for (const url of ['/admin/dead-letters', '/docs', '/docs/foo', '/index.html']) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 404, url)
    t.equal(response.headers['content-type'], 'application/problem+json')
    t.match(response.json(), { status: 404, code: 'route_not_found' })
  }
})
