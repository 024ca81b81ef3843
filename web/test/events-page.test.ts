/** /docs/events/: the AsyncAPI document as a page that needs no script and says everything. */

import { asyncApiDocument } from '@checkout/contracts/asyncapi.ts'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import t from 'tap'
import { completeDist } from '../scripts/complete-dist.ts'
import { type AsyncApi, eventsPage } from '../scripts/events-page.ts'
import { buildApp } from '../src/app.ts'

const document = asyncApiDocument() as unknown as AsyncApi
const page = eventsPage(document)
const all = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, found]) => found ?? '')

t.test('nothing that the policy would block', async (t) => {
  t.notMatch(page, /<script|<style|\sstyle=|\son[a-z]+=|javascript:/i)
  const links = all(/(?:href|src)="([^"]+)"/g)
  t.strictSame(
    links.filter((link) => /^(https?:)?\/\//.test(link)),
    [],
    'nothing from elsewhere',
  )
})

t.test('every channel, operation, message, field and example', async (t) => {
  for (const [id, { address, messages }] of Object.entries(document.channels)) {
    t.match(page, `<h2 id="${id}"><code>${address}</code></h2>`)
    t.match(page, `<a href="#${id}">`)
    t.ok(Object.keys(messages).length > 0)
  }
  for (const { title } of Object.values(document.operations)) t.match(page, `<b>${title}.</b>`)
  for (const field of [
    'data.orderId',
    'data.reason',
    'data.email',
    'correlationid',
    'Nats-Msg-Id',
    'sentAt',
    'since',
  ]) {
    t.match(page, `<td><code>${field}</code></td>`)
  }
  t.equal(all(/(<summary>Example:)/g).length, 8)
  t.notMatch(page, /undefined|\[object|<td><\/td>/, 'and none without its text')
})

t.test('well-formed: every element is closed, every id there once, every anchor has its target', async (t) => {
  const open: string[] = []
  for (const [, slash, name = ''] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
    if (['meta', 'link', 'br'].includes(name)) continue
    if (slash) t.equal(open.pop(), name)
    else open.push(name)
  }
  t.strictSame(open, [])
  const ids = all(/\sid="([^"]+)"/g)
  t.equal(new Set(ids).size, ids.length)
  for (const target of all(/href="#([^"]+)"/g)) t.ok(ids.includes(target), target)
})

t.test('texts are shown as they are', async (t) => {
  const planted = structuredClone(document)
  planted.info.description = 'a < b & "c" `<code>`\n\n<script>alert(1)</script>'
  const html = eventsPage(planted)
  t.match(
    html,
    '<p>a &lt; b &amp; &quot;c&quot; <code>&lt;code&gt;</code></p>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>',
  )
  t.notMatch(html, '<script')
  const [first] = Object.keys(planted.channels)
  planted.channels[String(first)] = {
    ...(planted.channels[String(first)] as AsyncApi['channels'][string]),
    messages: { lost: { $ref: '#/components/messages/lost' } },
  }
  t.throws(() => eventsPage(planted), /nothing at #\/components\/messages\/lost/)
})

t.test('the build serves it, with its document', async (t) => {
  const dist = t.testdir({ 'index.html': '<!doctype html><title>Shop</title>', 'icon.svg': '<svg/>' })
  completeDist(dist)
  const logger = createLogger({ name: 'web', instance: 1, level: 'silent' })
  const app = await buildApp({ platform: createPlatform(), logger, metrics: createMetrics(), dist })
  t.teardown(() => app.close())
  const get = (url: string) => app.inject({ url })
  const { statusCode, headers, body } = await get('/docs/events/')
  t.equal(statusCode, 200)
  t.equal(headers['content-type'], 'text/html; charset=utf-8')
  t.equal(body, page)
  t.strictSame((await get('/docs/events/asyncapi.json')).json(), asyncApiDocument())
  for (const link of all(/(?:href|src)="([^"#]+)"/g)) {
    const { pathname } = new URL(link, 'http://web/docs/events/')
    t.equal((await get(pathname)).statusCode, 200, pathname)
  }
  t.match((await get('/docs/')).body, 'href="events/"', 'the other documentation page leads here')
})
