import type { IncomingMessage } from 'node:http'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { dial, problemOf, startGateway, startService } from './helpers.ts'

interface Seen {
  rawHeaders: string[]
  body: string
}

/** An upstream that records requests and answers them as `answer` says. */
async function recording(t: { teardown(close: () => unknown): void }, answer: Parameters<typeof startService>[1]) {
  const seen: Seen[] = []
  const { url } = await startService(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      seen.push({ rawHeaders: request.rawHeaders, body: Buffer.concat(chunks).toString('latin1') })
      answer(request, response)
    })
  })
  return { seen, ...(await startGateway(t, { orders: [url] })) }
}

const valuesOf = (rawHeaders: string[] | undefined, name: string) =>
  (rawHeaders ?? []).filter((_, i, all) => i % 2 === 1 && all[i - 1]?.toLowerCase() === name)

t.test('request headers arrive as they were sent', async (t) => {
  const { seen, url } = await recording(t, (_request, response) => response.end())
  const text = [
    'POST /orders HTTP/1.1',
    'Host: shop.example',
    'X-User-Id: ada',
    'X-User-Id: bob',
    'Content-Type: application/json',
    'Content-Length: 2',
    'Expect: 100-continue',
    'X-Odd: \xe9\t"',
    'X-Mine: 1',
    'Keep-Alive: timeout=5',
    'TE: trailers',
    'Connection: close, X-Mine',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Request-Id: from-the-caller',
    '',
    '{}',
  ].join('\r\n')
  const { received } = await dial(t, url, text)
  await until('answered', () => received.closed)
  const raw = seen[0]?.rawHeaders
  t.same(valuesOf(raw, 'x-user-id'), ['ada', 'bob'], 'repeated stays repeated')
  t.same(valuesOf(raw, 'host'), ['shop.example'])
  t.same(valuesOf(raw, 'content-type'), ['application/json'])
  t.same(valuesOf(raw, 'x-odd'), ['\xe9\t"'])
  t.same(valuesOf(raw, 'content-length'), ['2'])
  t.same(valuesOf(raw, 'x-request-id'), ['from-the-caller'])
  t.same(valuesOf(raw, 'x-forwarded-for'), ['10.0.0.1, 127.0.0.1'])
  t.same(valuesOf(raw, 'x-forwarded-host'), ['shop.example'])
  t.same(valuesOf(raw, 'x-forwarded-proto'), ['https'])
  t.same(valuesOf(raw, 'te'), [], 'hop-by-hop')
  t.same(valuesOf(raw, 'keep-alive'), [], 'hop-by-hop')
  t.same(valuesOf(raw, 'x-mine'), ['1'], 'what Connection nominates beyond the known ones stays')
  t.equal(seen[0]?.body, '{}')
})

t.test('a request id is made when none or an unsafe one is sent, and both sides know it', async (t) => {
  const { seen, url } = await recording(t, (_request, response) => response.end())
  for (const headers of [{}, { 'x-request-id': 'not a {safe} one' }]) {
    const response = await fetch(`${url}/orders`, { headers })
    const [given] = valuesOf(seen.at(-1)?.rawHeaders, 'x-request-id')
    t.match(given, /^[0-9a-f-]{36}$/)
    t.equal(response.headers.get('x-request-id'), given)
  }
})

t.test('answers pass unchanged', async (t) => {
  const problem = '{"code":"order_not_found"}'
  const answers: Record<string, (request: IncomingMessage) => [number, Record<string, string | string[]>, string]> = {
    '/orders/created': () => [201, { location: '/orders/7', 'idempotency-replayed': 'true' }, '{"id":7}'],
    '/orders/cached': (request) =>
      request.headers['if-none-match'] === '"v1"' ? [304, { etag: '"v1"' }, ''] : [200, { etag: '"v1"' }, 'body'],
    '/orders/none': () => [404, { 'content-type': 'application/problem+json', 'retry-after': '1' }, problem],
    '/orders/cookies': () => [200, { 'set-cookie': ['a=1', 'b=2'], 'x-request-id': 'mine' }, ''],
    '/orders/empty': () => [204, {}, ''],
  }
  const { url } = await recording(t, (request, response) => {
    const [status, headers, body] = answers[request.url ?? '']?.(request) ?? [500, {}, '']
    response.writeHead(status, headers).end(body)
  })

  const created = await fetch(`${url}/orders/created`, { method: 'POST', body: '{}' })
  t.equal(created.status, 201)
  t.equal(created.headers.get('location'), '/orders/7')
  t.equal(created.headers.get('idempotency-replayed'), 'true')
  t.equal(await created.text(), '{"id":7}')

  t.equal((await fetch(`${url}/orders/cached`)).headers.get('etag'), '"v1"')
  const cached = await fetch(`${url}/orders/cached`, { headers: { 'if-none-match': '"v1"' } })
  t.equal(cached.status, 304)
  t.equal(cached.headers.get('etag'), '"v1"')

  const head = await fetch(`${url}/orders/created`, { method: 'HEAD' })
  t.equal(head.status, 201)
  t.equal(head.headers.get('location'), '/orders/7')
  t.equal(await head.text(), '')

  const none = await fetch(`${url}/orders/none`)
  t.equal(none.headers.get('content-type'), 'application/problem+json')
  t.equal(none.headers.get('retry-after'), '1')
  t.equal(await none.text(), problem)

  const cookies = await fetch(`${url}/orders/cookies`)
  t.same(cookies.headers.getSetCookie(), ['a=1', 'b=2'])
  t.equal(cookies.headers.get('x-request-id'), 'mine')
  t.equal((await fetch(`${url}/orders/empty`)).status, 204)
})

t.test('bodies are bytes', async (t) => {
  const { seen, url } = await recording(t, (request, response) => {
    if (request.method === 'GET') response.end(Buffer.alloc(3_000_000, 'z'))
    else response.end()
  })
  const post = (body: RequestInit['body'], headers = {}) =>
    fetch(`${url}/orders`, { method: 'POST', body, headers, duplex: 'half' } as RequestInit)

  await post('{broken', { 'content-type': 'no media type at all' })
  t.equal(seen.at(-1)?.body, '{broken')
  await post(Buffer.from([0, 255, 128, 10]))
  t.equal(seen.at(-1)?.body, '\x00\xff\x80\n')
  await post(new Blob(['a'.repeat(7_000), 'b'.repeat(9_384)]).stream())
  t.equal(seen.at(-1)?.body, 'a'.repeat(7_000) + 'b'.repeat(9_384), 'chunked')
  await fetch(`${url}/orders`, { method: 'POST' })
  t.equal(seen.at(-1)?.body, '')
  t.equal((await (await fetch(`${url}/orders`)).arrayBuffer()).byteLength, 3_000_000)
})

t.test('a body over 16 KiB is refused by the gateway, announced or not, and the connection stays in use', async (t) => {
  const { seen, url } = await recording(t, (_request, response) => response.end('taken'))
  const good = 'POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}'
  const announced = await dial(t, url, 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 16385\r\n\r\n')
  await until('answered before the body has come', () => announced.received.text.includes('"code":"body_too_large"'))
  announced.socket.write('x'.repeat(16_385) + good)
  const chunked = await dial(t, url, 'POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  chunked.socket.write(`10001\r\n${'x'.repeat(0x10001)}\r\n0\r\n\r\n${good}`)
  for (const { received } of [announced, chunked]) {
    await until('answered', () => received.closed)
    t.match(received.text, /^HTTP\/1.1 413 [\s\S]*"code":"body_too_large"[\s\S]*HTTP\/1.1 200 [\s\S]*taken/)
  }
  t.same(
    seen.map(({ body }) => body),
    ['{}', '{}'],
  )
})

t.test('a client that has gone does not block the connection of its answer', async (t) => {
  const { url, upstreams } = await recording(t, (_request, response) => response.end(Buffer.alloc(20_000_000)))
  const reader = await dial(t, url, 'GET /orders HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('answering', () => reader.received.text.length > 0)
  reader.socket.pause()
  reader.socket.destroy()
  await until('free again', () => upstreams.orders.pick('reads')?.lanes.reads.stats().running === 0)
})

t.test('a target that is no path is a problem', async (t) => {
  const { url } = await recording(t, (_request, response) => response.end())
  const response = await fetch(`${url}/orders/%zz`)
  t.match(await problemOf(response), { mediaType: 'application/problem+json', code: 'route_not_found', status: 404 })
})

t.test('a client nominates nothing away that others have set', async (t) => {
  const fields: Record<string, string> = {
    'X-User-Id': 'ada',
    'Idempotency-Key': 'k1',
    'Content-Type': 'application/json',
    'Content-Encoding': 'identity',
    'X-Forwarded-Host': 'shop.example',
    'X-Forwarded-Proto': 'https',
    'X-Real-IP': '10.0.0.1',
    Forwarded: 'for=10.0.0.1',
    Authorization: 'Bearer x',
    Cookie: 'a=1',
    Accept: 'application/json',
    'Accept-Encoding': 'gzip',
    'If-None-Match': '"v1"',
    Origin: 'https://shop.example',
    Host: 'shop.example',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Cache-Control': 'no-cache',
    'X-Anything-At-All': '1',
  }
  const names = [...Object.keys(fields), 'Content-Length', 'X-Forwarded-For', 'X-Request-Id']
  const { seen, url } = await recording(t, (request, response) => {
    response.writeHead(200, { connection: 'close, ETag, X-Request-Id', etag: '"v2"' })
    response.end(request.headers['x-forwarded-for'])
  })
  const sent = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  for (const nominated of [...names, names.join(', '), `close, ${names.join(',').toLowerCase()}`]) {
    const head = ['POST /orders HTTP/1.1', ...sent, 'Content-Length: 2', 'X-Forwarded-For: 10.0.0.1']
    const text = [...head, 'X-Request-Id: from-the-caller', `Connection: ${nominated}`, 'Connection: close', '', '{}']
    const { received } = await dial(t, url, text.join('\r\n'))
    await until('answered', () => received.closed)
    const raw = seen.at(-1)?.rawHeaders
    for (const [name, value] of Object.entries(fields)) {
      t.same(valuesOf(raw, name.toLowerCase()), [value], `${name} beside Connection: ${nominated}`)
    }
    t.same(valuesOf(raw, 'content-length'), ['2'])
    t.same(valuesOf(raw, 'x-forwarded-for'), ['10.0.0.1, 127.0.0.1'])
    t.same(valuesOf(raw, 'x-request-id'), ['from-the-caller'])
    t.match(received.text, /etag: "v2"/i, 'and a service nominates nothing away either')
  }
})
