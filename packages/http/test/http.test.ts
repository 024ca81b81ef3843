import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import t from 'tap'
import { Type } from 'typebox'
import { ada, adaJson, testApp } from './app.ts'

const order = (fields: string) => `{"amount":1,"description":"hat"${fields}}`

t.test('bodies referenced with ref() are validated strictly', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const post = (payload: string | Buffer) => app.inject({ method: 'POST', url: '/orders', headers: adaJson, payload })

  for (const amount of ['1', '1.0', '1e2', '1000000000000']) {
    const response = await post(`{"amount":${amount},"description":"hat"}`)
    t.equal(response.statusCode, 201, `amount ${amount} is taken`)
    t.equal(response.json().amount, Number(amount))
  }
  const wrong = ['true', '"5"', '[5]', 'null', '1.5', '0', '-1', '1000000000001', '{}']
  const inexact = ['1e400', '1e-400', '999999999999.99999', '1.0000000000000000001', '9007199254740993']
  for (const amount of [...wrong, ...inexact]) {
    const response = await post(`{"amount":${amount},"description":"hat"}`)
    t.match(response.json(), { status: 400, code: 'validation_failed', errors: [{ path: '/amount' }] }, amount)
  }
  for (const [fields, path] of [
    [',"extra":1', '/extra'],
    [',"__proto__":{"admin":true}', '/__proto__'],
    [',"constructor":{"prototype":{}}', '/constructor'],
    [',"a/b~c":1', '/a~1b~0c'],
  ] as const) {
    const response = await post(order(fields))
    t.strictSame(response.json().errors, [{ path, message: 'is not a known field' }], fields)
  }
  const all = await post('{"amount":0,"description":"","x":1}')
  t.strictSame(all.json().errors, [
    { path: '/x', message: 'is not a known field' },
    { path: '/amount', message: 'must be at least 1' },
    { path: '/description', message: 'must not be empty' },
  ])
  t.strictSame((await post('{}')).json().errors, [
    { path: '/amount', message: 'is required' },
    { path: '/description', message: 'is required' },
  ])
  const hostile = await post(`{${Array.from({ length: 1000 }, (_, i) => `"${i}":1`).join(',')}}`)
  t.equal(hostile.json().errors.length, 20, 'the list of errors is bounded')
  for (const body of ['null', '[]', '5', '"text"']) {
    t.strictSame((await post(body)).json().errors, [{ path: '', message: 'must be an object' }], body)
  }
})

t.test('bodies that are no JSON, too large, of another type, or missing', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const post = async (headers: Record<string, string>, payload?: string | Buffer) =>
    (await app.inject({ method: 'POST', url: '/orders', headers, ...(payload !== undefined && { payload }) })).json()

  t.match(await post(adaJson, '{"amount":'), { status: 400, code: 'body_invalid_json' })
  for (const doubled of [order(',"amount":4262'), order(',"\\u0061mount":4262'), order(',"x":[{"y":1,"y":1}]')]) {
    t.match(await post(adaJson, doubled), { status: 400, code: 'body_invalid_json', detail: /twice/ }, doubled)
  }
  t.match(await post(adaJson, ''), { status: 400, code: 'body_invalid_json' }, 'announced as JSON, but empty')
  t.match(await post(ada), { status: 400, code: 'validation_failed', errors: [{ path: '' }] }, 'no body at all')
  const brokenUtf8 = Buffer.concat([Buffer.from('{"amount":1,"description":"'), Buffer.from([0xff]), Buffer.from('"}')])
  t.match(await post(adaJson, brokenUtf8), { status: 400, code: 'body_invalid_json' })
  const filler = (length: number) => JSON.stringify({ amount: 1, description: 'x'.repeat(length) })
  t.match(await post(adaJson, filler(17_000)), { status: 413, code: 'body_too_large' })
  t.match(await post(adaJson, filler(16_000)), { status: 400, code: 'validation_failed' }, 'under 16 KiB it is read')
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense']) {
    t.match(await post({ ...ada, 'content-type': type }, order('')), { status: 415, code: 'content_type_unsupported' })
  }
  t.match(await post({ ...ada, 'content-type': 'application/json; charset=utf-8' }, order('')), { description: 'hat' })
})

t.test('a route of noBody takes no body or {}', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const post = (headers: Record<string, string>, payload?: string) =>
    app.inject({ method: 'POST', url: '/accounts', headers, ...(payload !== undefined && { payload }) })
  t.equal((await post(ada)).statusCode, 200)
  t.equal((await post(adaJson, '')).statusCode, 200)
  t.equal((await post(adaJson, '{}')).statusCode, 200)
  t.match((await post(adaJson, '{"a":1}')).json(), { status: 400, errors: [{ path: '/a' }] })
  t.strictSame((await post(adaJson, 'null')).json().errors, [{ path: '', message: 'must be an object' }])
  t.strictSame((await post(adaJson, '7')).json().errors, [{ path: '', message: 'must be an object' }])
  t.match((await post({ ...ada, 'content-type': 'text/plain' }, 'x')).json(), { code: 'content_type_unsupported' })
})

t.test('unions are explained by what they allow', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const body = Type.Object({
    kind: Type.Union([Type.Literal('a'), Type.Literal('b')]),
    colour: Type.Enum(['red', 'green']),
    note: Type.Union([Type.String({ maxLength: 3 }), Type.Null()]),
    count: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  })
  app.post('/unions', { schema: { body } }, async () => ({}))
  const payload = { kind: 'c', colour: 'blue', note: 'long', count: true }
  const response = await app.inject({ method: 'POST', url: '/unions', payload })
  t.strictSame(response.json().errors, [
    { path: '/kind', message: 'must be one of a, b' },
    { path: '/colour', message: 'must be one of red, green' },
    { path: '/note', message: 'must have at most 3 characters' },
    { path: '/count', message: 'must be an integer or null' },
  ])
})

t.test('queries are parsed and validated', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const get = async (query: string) => (await app.inject({ url: `/orders${query}`, headers: ada })).json()
  t.match(await get(''), { limit: 20, after: null })
  t.match(await get('?limit=5&status=paid'), { limit: 5 })
  for (const [query, path, message] of [
    ['limit=', '/query/limit', 'must be an integer'],
    ['limit=abc', '/query/limit', 'must be an integer'],
    ['limit=%205', '/query/limit', 'must be an integer'],
    ['limit=0x10', '/query/limit', 'must be an integer'],
    ['limit=1e1', '/query/limit', 'must be an integer'],
    ['limit=%2B5', '/query/limit', 'must be an integer'],
    ['limit=05', '/query/limit', 'must be an integer'],
    ['limit=5.0', '/query/limit', 'must be an integer'],
    ['limit=-0', '/query/limit', 'must be an integer'],
    ['limit=9007199254740993', '/query/limit', 'must be an integer'],
    ['limit[]=5', '/query/limit[]', 'is not a known parameter'],
    ['limit=1.5', '/query/limit', 'must be an integer'],
    ['limit=1&limit=2', '/query/limit', 'must be an integer'],
    ['limit=0', '/query/limit', 'must be at least 1'],
    ['limit=101', '/query/limit', 'must be at most 100'],
    ['status=done', '/query/status', 'must be one of pending, paid, failed'],
    ['status=paid&status=paid', '/query/status', 'must be one of pending, paid, failed'],
    ['colour=red', '/query/colour', 'is not a known parameter'],
    ['__proto__=1', '/query/__proto__', 'is not a known parameter'],
    ['cursor=', '/query/cursor', 'must not be empty'],
    ['cursor=zzz', '/query/cursor', 'is not a cursor of this list; use `next` of the page before'],
  ] as const) {
    t.match(await get(`?${query}`), { status: 400, code: 'validation_failed', errors: [{ path, message }] }, query)
  }
})

t.test('identity comes before the body', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  // A real request: only there does Node join repeated headers.
  const post = (path: string, userIds: string[], body = 'no JSON') =>
    new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
      const headers = [...userIds.flatMap((id) => ['X-User-Id', id]), 'Content-Type', 'application/json', 'Host', 'a']
      httpRequest({ port, path, method: 'POST', headers }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
      })
        .on('error', reject)
        .end(body)
    })
  t.match(await post('/orders', []), { status: 401, body: { code: 'user_id_required' } })
  t.match(await post('/orders', ['']), { status: 401, body: { code: 'user_id_required' } })
  t.match(await post('/orders', ['   ']), { status: 401, body: { code: 'user_id_required' } })
  for (const ids of [
    ['a b'],
    ['a,b'],
    ['ada', 'ada'],
    ['ada', ''],
    ['', ''],
    ['x'.repeat(65)],
    ['ад'],
    ['a.b'],
    ['*'],
  ]) {
    const latin1 = ids.map((id) => Buffer.from(id).toString('latin1'))
    t.match(await post('/orders', latin1), { status: 400, body: { code: 'user_id_invalid' } }, JSON.stringify(ids))
  }
  t.match(await post('/orders', ['A-z_09'], order('')), { status: 201, body: { userId: 'A-z_09' } })

  t.strictSame(await post('/users', [], '{}'), { status: 200, body: { userId: '' } })
  t.strictSame(await post('/users', ['ada'], '{}'), { status: 200, body: { userId: 'ada' } })
  t.match(await post('/users', [''], '{}'), { status: 400, body: { code: 'user_id_invalid' } })
  t.match(await post('/users', ['ada', 'bob'], '{}'), { status: 400, body: { code: 'user_id_invalid' } })
})

t.test('request ids are kept when sane and answered', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const idFor = async (id: string) => {
    const response = await app.inject({ url: '/nowhere', headers: { 'x-request-id': id } })
    t.equal(response.json().requestId, response.headers['x-request-id'], 'header and body agree')
    return response.headers['x-request-id']
  }
  t.equal(await idFor('abc-1.2_3'), 'abc-1.2_3')
  for (const bad of ['x'.repeat(65), 'a b', 'a"b', '<script>', '']) {
    t.match(await idFor(bad), /^[0-9a-f-]{36}$/, `${bad} is replaced`)
  }
})

t.test('one log line per request, none for probes', async (t) => {
  const { app, lines } = await testApp({ health: { store: () => true, nats: () => true } })
  t.teardown(() => app.close())
  await app.inject({ url: '/orders?limit=1', headers: { ...ada, 'x-request-id': 'r1' } })
  await app.inject({ url: '/nowhere?secret=1' })
  await app.inject({ method: 'POST', url: '/orders', headers: adaJson, payload: '{' })
  await app.inject('/health/live')
  await app.inject('/health/ready')
  t.match(lines, [
    { level: 30, msg: 'request', method: 'GET', path: '/orders', status: 200, ms: Number, userId: 'ada', reqId: 'r1' },
    { level: 30, msg: 'request', method: 'GET', path: '/nowhere', status: 404 },
    { level: 30, msg: 'request', method: 'POST', path: '/orders', status: 400 },
  ])
  t.equal(lines.length, 3)
})

t.test('HEAD answers like GET without a body', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  const response = await app.inject({ method: 'HEAD', url: '/orders', headers: ada })
  t.equal(response.statusCode, 200)
  t.equal(response.body, '')
})

t.test('what is not HTTP is answered with a problem too', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const send = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = ''
      connect(port, '127.0.0.1')
        .on('data', (chunk) => {
          answer += chunk
        })
        .on('end', () => resolve(answer))
        .on('error', reject)
        .write(text)
    })
  t.match(await send('nonsense\r\n\r\n'), /^HTTP\/1.1 400 [\s\S]*application\/problem\+json[\s\S]*request_malformed/)
  const long = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`
  t.match(await send(long), /^HTTP\/1.1 431 [\s\S]*headers_too_large/)
})

t.test('no answer is kept by a cache, or taken for another type', async (t) => {
  const docs = { title: 'orders-service', description: 'Orders.', version: '1.2.3' }
  const health = { store: () => true, nats: () => true }
  const { app } = await testApp({ docs, health, metrics: createMetrics() })
  t.teardown(() => app.close())
  const personal = { 'cache-control': 'no-store', vary: 'X-User-Id', 'x-content-type-options': 'nosniff' }
  t.match((await app.inject({ url: '/orders', headers: ada })).headers, personal, '200')
  t.match((await app.inject({ url: '/orders?limit=0', headers: ada })).headers, personal, '400')
  t.match((await app.inject('/orders')).headers, personal, '401')
  t.match(
    (await app.inject({ method: 'POST', url: '/orders', headers: adaJson, payload: order('') })).headers,
    personal,
  )
  t.match((await app.inject({ method: 'POST', url: '/users' })).headers, personal, 'also where the user is optional')

  const { vary: _, ...everywhere } = personal
  for (const url of [
    '/nowhere',
    '/%zz',
    '/health/live',
    '/health/ready',
    '/metrics',
    '/docs/',
    '/docs/json',
    '/throw/x',
  ]) {
    t.match((await app.inject(url)).headers, everywhere, url)
  }
  for (const url of ['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css', '/docs/nothing']) {
    const { headers } = await app.inject(url)
    t.equal(headers['x-content-type-options'], 'nosniff', url)
    t.match(
      headers['content-security-policy'],
      /^default-src 'none';.*script-src 'self';.*frame-ancestors 'none'$/,
      url,
    )
    t.notMatch(headers['content-security-policy'], /unsafe|\*|https?:/)
  }

  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const malformed = await rawAnswer(port, 'GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n')
  t.match(malformed, /^HTTP\/1\.1 400 .*cache-control: no-store\r\nx-content-type-options: nosniff\r\n/s)
})

t.test('fields that must not be doubled', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const body = order('')
  for (const doubled of [
    'Host: a\r\nHost: a',
    'Host: a\r\nhost: b',
    'Host: a\r\nContent-Type: text/plain',
    `Host: a\r\nContent-Length: ${body.length}`,
    'Host: a\r\nX-User-Id: ada',
  ]) {
    const head = `POST /orders HTTP/1.1\r\nX-User-Id: ada\r\nContent-Type: application/json\r\n${doubled}\r\nConnection: close`
    const answer = await rawAnswer(port, `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    t.match(answer, /^HTTP\/1\.1 400 /, doubled)
  }
})

/** Sends the text as it is; resolves with everything that comes until the connection ends. */
async function rawAnswer(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => {
    answer += data
  })
  socket.on('error', () => {})
  socket.write(text)
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}
