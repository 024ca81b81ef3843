/** Clients that send nonsense, go away or do not read, and instances that answer nonsense: the next good request is served. */
import { createServer, type Socket } from 'node:net'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { dial, startGateway, startService, upgradeRequest } from './helpers.ts'

/** More than a lane has connections: what costs one each time would leave none. */
const TIMES = 70
/** More than the kernel keeps for a client that does not read. */
const LARGE = Buffer.alloc(4 * 1024 * 1024, 'z')

const get = (target: string, ...fields: string[]) =>
  `GET ${target} HTTP/1.1\r\n${['Host: x', ...fields, '', ''].join('\r\n')}`
const post = (...lines: string[]) => ['POST /orders HTTP/1.1', 'Host: x', ...lines].join('\r\n')
const bad = (fields: string, method = 'GET') => `${method} /orders HTTP/1.1\r\n${fields}\r\n\r\n`

/** `leaves`: the client does not wait for the end; after `once` it goes away, or it stays and reads nothing. */
type Sort = { send: string; client?: 'leaves at once' | 'leaves when asked' | 'never reads' }

const sorts: Record<string, Sort> = {
  'two hosts': { send: bad('Host: a\r\nHost: b') },
  'the same host twice': { send: bad('Host: a\r\nHost: a', 'POST') },
  'no host': { send: bad('X: y') },
  'half an IPv6 host': { send: bad('Host: [::1') },
  'a host that is none': { send: bad('Host: a b\x80/@') },
  'control bytes in a value': { send: bad('Host: x\r\nX-Odd: a\x01b') },
  'bytes beyond ASCII in a name': { send: bad('Host: x\r\nX-\xe9: a') },
  'a field without a colon': { send: bad('Host: x\r\nnonsense') },
  'bare line feeds': { send: 'GET /orders HTTP/1.1\nHost: x\n\n' },
  CONNECT: { send: bad('Host: x', 'CONNECT') },
  TRACE: { send: bad('Host: x\r\nConnection: close', 'TRACE') },
  QUERY: { send: bad('Host: x\r\nConnection: close', 'QUERY') },
  PROPFIND: { send: bad('Host: x\r\nConnection: close', 'PROPFIND') },
  'a method in lower case': { send: bad('Host: x', 'get') },
  'a method that is none': { send: bad('Host: x', 'SMASH') },
  'a space in the target': { send: get('/orders/a b') },
  'a tab in the target': { send: get('/orders/a\tb', 'Connection: close') },
  'bytes beyond ASCII in the target': { send: get('/orders/\xe9\xff', 'Connection: close') },
  'two slashes': { send: get('//orders//', 'Connection: close') },
  'an asterisk': { send: bad('Host: x\r\nConnection: close', 'OPTIONS').replace('/orders', '*') },
  'a broken escape': { send: get('/orders/%zz', 'Connection: close') },
  'an absolute target': { send: get('http://elsewhere:1/orders?a=%00', 'Connection: close') },
  'half an absolute target': { send: get('http://[::1/orders', 'Connection: close') },
  'a scheme only': { send: get('http://', 'Connection: close') },
  'dots and backslashes': { send: get('/docs/orders/..\\..%2f%2e%2e/%5c', 'Connection: close') },
  'length and chunks': { send: post('Content-Length: 2', 'Transfer-Encoding: chunked', '', '0\r\n\r\n') },
  'two lengths': { send: post('Content-Length: 2', 'Content-Length: 3', '', '{}') },
  'a length that is none': { send: post('Content-Length: -2', '', '{}') },
  'a coding that is not chunked': {
    send: post('Transfer-Encoding: gzip, chunked', 'Connection: close', '', '0\r\n\r\n'),
  },
  'broken chunks': { send: post('Transfer-Encoding: chunked', '', 'zz\r\n{}\r\n') },
  'a GET with a body': { send: get('/orders', 'Content-Length: 2', 'Connection: close').concat('{}') },
  'a body that is too large': { send: post('Content-Length: 17000', 'Connection: close', '', 'x'.repeat(17_000)) },
  'an expectation that nobody knows': {
    send: post('Expect: wonders', 'Content-Length: 2', 'Connection: close', '', '{}'),
  },
  'huge fields': { send: bad(`Host: x\r\nX-Large: ${'x'.repeat(20_000)}`) },
  'fields that just fit here and not there': {
    send: bad(`Host: ${'h'.repeat(8_000)}\r\nX-Large: ${'x'.repeat(8_100)}`),
  },
  'very many fields': { send: bad(`Host: x\r\n${'a:\r\n'.repeat(3_000)}X-User-Id: ada`) },
  'HTTP/1.0': { send: 'GET /orders HTTP/1.0\r\n\r\n' },
  'HTTP/2.0': { send: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  TLS: { send: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  'half a request line': { send: 'GET /ord', client: 'leaves at once' },
  'half a body': { send: post('Content-Length: 200', '', '{'), client: 'leaves at once' },
  'half a chunk': { send: post('Transfer-Encoding: chunked', '', '64\r\n{'), client: 'leaves at once' },
  'a body announced and never sent': {
    send: post('Expect: 100-continue', 'Content-Length: 2', '', ''),
    client: 'leaves at once',
  },
  'gone before the answer': { send: get('/orders/held'), client: 'leaves when asked' },
  'a POST, gone before the answer': {
    send: post('X-Held: 1', 'Content-Length: 2', '', '{}'),
    client: 'leaves when asked',
  },
  'gone in the middle of the answer': { send: get('/orders/large'), client: 'leaves when asked' },
  'a large answer, never read': { send: get('/orders/large'), client: 'never reads' },
  'a pipeline': { send: get('/orders').repeat(20) + get('/orders', 'Connection: close') },
  'a pipeline, never read': { send: get('/orders/large').repeat(3), client: 'never reads' },
  'a pipeline with nonsense in it': { send: get('/orders') + bad('Host: a\r\nHost: b') + get('/o o') },
  'an upgrade, refused': { send: upgradeRequest('/notifications/stream', ['X-Refuse: 1']) },
  'an upgrade with two hosts': { send: upgradeRequest('/notifications/stream', ['Host: y']) },
  'an upgrade with a tab in the target': { send: upgradeRequest('/notifications/stream?a=\tb') },
  'an upgrade with a body': { send: upgradeRequest('/notifications/stream', ['Content-Length: 2']).concat('{}') },
  'an upgrade elsewhere': { send: upgradeRequest('/orders').replace('Upgrade\r\n', 'Upgrade, close\r\n') },
  'an upgrade to something else': {
    send: upgradeRequest('/notifications/stream')
      .replace('websocket', 'h2c')
      .replace('Upgrade\r\n', 'Upgrade, close\r\n'),
  },
  'an upgrade, gone before the answer': {
    send: upgradeRequest('/notifications/stream', ['X-Held: 1']),
    client: 'leaves when asked',
  },
  'an upgrade, gone after it': { send: upgradeRequest('/notifications/stream'), client: 'leaves when asked' },
}

/** One that answers everything, of which `held` counts what it has been asked and has not answered. */
async function startTolerant(t: { teardown(close: () => unknown): void }) {
  const asked = { count: 0 }
  const held = new Set<() => void>()
  const service = await startService(t, (request, response) => {
    asked.count++
    request.resume()
    const answer = () => response.end(request.url === '/orders/large' ? LARGE : 'good')
    if (request.url === '/orders/held' || request.headers['x-held']) held.add(answer)
    else request.on('end', answer)
  })
  service.server.on('upgrade', (request, socket: Socket) => {
    asked.count++
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('end', () => socket.end()).resume()
    if (request.headers['x-refuse']) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    else if (!request.headers['x-held'])
      socket.write('HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  })
  const release = () => {
    for (const answer of held) answer()
    held.clear()
  }
  return { ...service, asked, release }
}

const connections = (server: { getConnections(callback: (error: Error | null, count: number) => void): unknown }) =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })

t.test('bad clients cost nobody anything', async (t) => {
  const service = await startTolerant(t)
  const urls = [service.url]
  const dropped: object[] = []
  const readerLimits = { answerBytes: 256 * 1024, totalBytes: 8 * 1024 * 1024, paused: 16, behindMs: 60_000 }
  const log = { info() {}, warn: (fields: object) => dropped.push(fields) }
  const gateway = await startGateway(
    t,
    { orders: urls, payments: urls, notifications: urls, web: urls },
    { log, readerLimits },
  )
  const instances = Object.values(gateway.upstreams).map((upstream) => upstream.pick('reads'))
  t.ok(Object.keys(sorts).length > 50)

  for (const [name, { send, client }] of Object.entries(sorts)) {
    const before = service.asked.count
    const clients = await Promise.all(Array.from({ length: TIMES }, () => dial(t, gateway.url, send)))
    if (client === 'never reads' || client === 'leaves when asked') for (const { socket } of clients) socket.pause()
    if (client === 'leaves when asked' || client === 'never reads') {
      // As many as there are connections: the others wait in the gateway.
      await until(`${name}: asked`, () => service.asked.count >= before + 64)
    }
    if (client === undefined) {
      await until(`${name}: answered`, () =>
        clients.every(({ received }) => received.closed || received.text.includes('\r\n\r\n')),
      )
      t.notOk(
        clients.find(({ received }) => /HTTP\/1.1 5/.test(received.text))?.received.text,
        `${name}: never our fault`,
      )
    }
    if (client !== 'never reads') for (const { socket } of clients) socket.destroy()
    service.release()
    for (const path of ['/orders', '/accounts', '/notifications', '/']) {
      for (const method of ['GET', 'POST']) {
        const response = await fetch(gateway.url + path, { method, ...(method === 'POST' && { body: '{}' }) })
        t.equal(response.status, 200, `${name}: ${method} ${path} afterwards`)
        t.equal(await response.text(), 'good')
      }
    }
    for (const { socket } of clients) socket.destroy()
    service.release()
  }

  await until('nothing is left under way', () => {
    service.release()
    return instances.every((one) => {
      const { reads, writes } = one?.lanes ?? {}
      return [reads, writes].every((lane) => lane?.stats().running === 0 && lane.stats().waiting === 0)
    })
  })
  await until('no client is left', async () => (await connections(gateway.server)) <= 2) // fetch keeps some
  const open = instances.reduce(
    (sum, one) => sum + (one ? one.lanes.reads.stats().connected + one.lanes.writes.stats().connected : 0),
    0,
  )
  await until('no connection to the service beside the known ones', async () => {
    return (await connections(service.server)) <= open + instances.length
  })
  t.equal((await fetch(`${gateway.url}/health/ready`)).status, 200)
  t.same(dropped, [], 'no instance was dropped')
})

t.test('an instance that answers nonsense: 502, and the connection is a new one', async (t) => {
  const nonsense: Record<string, string> = {
    'no HTTP': 'hello\r\n\r\n',
    'an upgrade that nobody asked for': 'HTTP/1.1 101 -\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    'control bytes': 'HTTP/1.1 200 OK\r\nX-Odd: a\x01b\r\n\r\n',
    'a status that is none': 'HTTP/1.1 007 OK\r\nContent-Length: 0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    'huge fields': `HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(40_000)}\r\n\r\n`,
    nothing: '',
  }
  let answer = ''
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (data.includes('/health/ready')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      else if (data.includes('good')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood')
      else socket.end(answer, 'latin1')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { url, upstreams } = await startGateway(t, { orders: [`http://127.0.0.1:${port}`] })
  for (const [name, text] of Object.entries(nonsense)) {
    answer = text
    const ask = (method: string) => fetch(`${url}/orders`, { method, ...(method === 'POST' && { body: '{}' }) })
    for (const method of ['GET', 'POST']) {
      const responses = await Promise.all(Array.from({ length: TIMES }, () => ask(method)))
      t.same([...new Set(responses.map(({ status }) => status))], [502], `${name}: ${method}`)
      await Promise.all(responses.map((response) => response.text()))
    }
    t.equal(await (await fetch(`${url}/orders/good`)).text(), 'good', `${name}: afterwards`)
    t.equal(await (await fetch(`${url}/orders/good`, { method: 'POST' })).text(), 'good')
  }
  t.match(upstreams.orders.state(), { instances: [{ live: true }] })
})
