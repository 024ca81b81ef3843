/** The service on a small build of its own making; the real one is looked at by test/browser. */

import { existsSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { oddTargets, statusOf } from '@checkout/testkit/odd-targets.ts'
import t from 'tap'
import { completeDist } from '../scripts/complete-dist.ts'
import { buildApp, whatIsMissing } from '../src/app.ts'

const script = `console.log(${JSON.stringify('much to compress '.repeat(100))})`
const dist = t.testdir({
  'index.html': '<!doctype html><title>Shop</title>',
  'sw.js': '// service worker',
  'manifest.webmanifest': '{"name": "Shop"}',
  'icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  '.built': '',
  assets: { 'main-B4dF00d5.js': script },
})
completeDist(dist)
const app = await buildApp({
  platform: createPlatform(),
  logger: createLogger({ name: 'web', instance: 1, level: 'silent' }),
  metrics: createMetrics(),
  dist,
})
t.teardown(() => app.close())

const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers })

t.test('each file with its type and how long it may be kept', async (t) => {
  const immutable = 'public, max-age=31536000, immutable'
  for (const [url, type, cacheControl] of [
    ['/', 'text/html; charset=utf-8', 'no-cache'],
    ['/sw.js', 'application/javascript; charset=utf-8', 'no-cache'],
    ['/manifest.webmanifest', 'application/manifest+json', 'no-cache'],
    ['/icon.svg', 'image/svg+xml', 'no-cache'],
    ['/assets/main-B4dF00d5.js', 'application/javascript; charset=utf-8', immutable],
    ['/docs/', 'text/html; charset=utf-8', 'no-cache'],
    ['/docs/page.js', 'application/javascript; charset=utf-8', 'no-cache'],
    ['/docs/swagger-ui.css', 'text/css; charset=utf-8', 'no-cache'],
  ] as const) {
    const { statusCode, headers, body } = await get(url)
    t.equal(statusCode, 200, url)
    t.equal(headers['content-type'], type)
    t.equal(headers['cache-control'], cacheControl, url)
    t.equal(headers['content-encoding'], undefined, 'plain for who does not ask for more')
    t.equal(headers.vary, 'accept-encoding')

    const unchanged = await get(url, { 'if-none-match': `${headers.etag}` })
    t.equal(unchanged.statusCode, 304, `${url} again`)
    t.equal(unchanged.body, '')
    const head = await app.inject({ method: 'HEAD', url })
    t.equal(head.statusCode, 200, `HEAD ${url}`)
    t.equal(head.headers['content-length'], `${Buffer.byteLength(body)}`)
    t.equal(head.body, '')
  }
})

t.test('compressed when the client takes it', async (t) => {
  const url = '/assets/main-B4dF00d5.js'
  for (const [accepted, encoding, decompress] of [
    ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
  ] as const) {
    const { headers, rawPayload } = await get(url, { 'accept-encoding': accepted })
    t.equal(headers['content-encoding'], encoding)
    t.match(headers['content-type'], /javascript/)
    t.match(headers['cache-control'], /immutable/)
    t.ok(rawPayload.length < script.length / 2)
    t.equal(decompress(rawPayload).toString(), script)
  }
  const small = await get('/sw.js', { 'accept-encoding': 'br' })
  t.equal(small.headers['content-encoding'], undefined, 'too small to gain')
  t.equal(small.body, '// service worker')
  const refused = await get(url, { 'accept-encoding': 'identity' })
  t.equal(refused.body, script)
})

t.test('what a page may do is said with every answer', async (t) => {
  for (const url of ['/', '/docs/', '/assets/main-B4dF00d5.js', '/sw.js', '/nothing']) {
    const { headers } = await get(url)
    const policy = `${headers['content-security-policy']}`
    t.match(policy, /^default-src 'none';/, url)
    t.match(policy, /script-src 'self';.*connect-src 'self';.*frame-ancestors 'none'$/)
    t.notMatch(policy, /unsafe|\*|https?:/, 'nothing inline, nothing from elsewhere')
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.equal(headers['referrer-policy'], 'same-origin')
    t.match(headers['permissions-policy'], /camera=\(\)/)
  }
})

t.test('the documentation page', async (t) => {
  const { body } = await get('/docs/')
  t.notMatch(body, /<script>|<style|style=|onload=/, 'nothing that the policy would block')
  const links = [...body.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link ?? '')
  t.ok(links.includes('/'), 'a link back to the shop')
  t.ok(links.includes('page.js'))
  // A part's document comes from its service, through the gateway.
  for (const link of links.filter((one) => !one.endsWith('/json'))) {
    const { pathname } = new URL(link, 'http://web/docs/')
    t.equal((await get(pathname)).statusCode, 200, pathname)
  }
  const start = await get('/docs/page.js')
  for (const part of ['orders', 'payments', 'notifications']) t.match(start.body, `/docs/${part}/json`)
})

t.test('health', async (t) => {
  for (const url of ['/health/live', '/health/ready']) t.equal((await get(url)).statusCode, 200, url)
})

t.test('everything else is not found, as a problem', async (t) => {
  for (const url of [
    '/admin/dead-letters',
    '/docs',
    '/docs/foo',
    '/docs/swagger-ui.js',
    '/docs/package.json',
    '/assets/',
    '/assets/main-B4dF00d5.js.br',
    '/assets/gone-00000000.js',
    '/.built',
    '/%2e%2e/package.json',
    '/..%2fpackage.json',
    '//',
  ]) {
    const response = await get(url)
    t.equal(response.statusCode, 404, url)
    t.equal(response.headers['content-type'], 'application/problem+json')
    t.match(response.json(), { status: 404, code: 'route_not_found' })
  }
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 404)
})

t.test('no target, and no condition or range, is a 5xx', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const wrong: string[] = []
  const expectNo5xx = async (target: string, headers = {}) => {
    const status = await statusOf(port, target, headers)
    if (status === undefined || status >= 500) wrong.push(`${status} ${target.slice(0, 100)}`)
  }
  for (const target of oddTargets(['', '/docs', '/assets', '/health'])) await expectNo5xx(target)
  await expectNo5xx('/sw.js', { Range: 'bytes=99999999-' })
  await expectNo5xx('/sw.js', { 'If-Match': '"x"' })
  await expectNo5xx('/sw.js', { 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' })
  t.strictSame(wrong, [])
})

t.test('an unfinished build is told, with the remedy', async (t) => {
  t.equal(whatIsMissing(dist), undefined)
  rmSync(join(dist, 'docs'), { recursive: true })
  t.match(whatIsMissing(dist), /docs\/index\.html missing.*make build/)
  t.notMatch(whatIsMissing(dist), / and /)
  const nowhere = join(dist, 'nowhere')
  t.notOk(existsSync(nowhere))
  t.match(whatIsMissing(nowhere), /nowhere\/index\.html and .*docs\/index\.html missing/)
})
