/** Slow clients, stuck writes and instances that fall silent: what one of them holds, nobody else has to wait for. */
import { createServer, type Socket } from 'node:net'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { dial, problemOf, startGateway, startService } from './helpers.ts'

const LANE = 64
const LARGE = 8 << 20
const post = (url: string) => fetch(`${url}/orders`, { method: 'POST', body: '{}' })
const large = 'GET /orders/large HTTP/1.1\r\nHost: x\r\n\r\n'

/** Answers GETs at once, with more than the kernel keeps at /orders/large, and POSTs when `release` is called. */
async function startStuck(t: { teardown(close: () => unknown): void }) {
  const held: Array<() => void> = []
  const large = { count: 0 }
  const { url } = await startService(t, (request, response) => {
    request.resume()
    if (request.url === '/orders/large') large.count++
    if (request.method === 'GET') response.end(request.url === '/orders/large' ? Buffer.alloc(LARGE) : 'read')
    else held.push(() => response.end('written'))
  })
  const release = () => {
    for (const answer of held.splice(0)) answer()
  }
  return { url, held, large, release }
}

t.test('reads pass beside stuck writes; a write that was never sent is told so', async (t) => {
  const service = await startStuck(t)
  const { url } = await startGateway(t, { orders: [service.url] })
  const posts = Array.from({ length: 150 }, () => post(url))
  await until('all connections for writes are taken', () => service.held.length === LANE)
  for (let i = 0; i < 20; i++) t.equal(await (await fetch(`${url}/orders`)).text(), 'read')

  const [early, ...refused] = await firstOf(posts, 150 - LANE)
  if (early === undefined) throw new Error('unreachable')
  t.equal(early.status, 503)
  t.equal(early.headers.get('retry-after'), '1')
  t.match(await problemOf(early), { code: 'store_unavailable', detail: /Nothing was changed/ })
  t.equal(service.held.length, LANE, 'nothing more was sent')
  t.ok(refused.every(({ status }) => status === 503))
  service.release()
  const statuses = (await Promise.all(posts)).map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, LANE)
})

/** The first that come true, as many as wanted. */
async function firstOf<T>(promises: Array<Promise<T>>, count: number) {
  const found: T[] = []
  for (const promise of promises) void promise.then((value) => found.push(value))
  await until(`${count} of them`, () => found.length >= count)
  return found
}

t.test('a request whose client leaves while it waits is not sent', async (t) => {
  const service = await startStuck(t)
  const { url, upstreams } = await startGateway(t, { orders: [service.url] })
  const text = 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'
  const first = await Promise.all(Array.from({ length: LANE }, () => dial(t, url, text)))
  await until('taken', () => service.held.length === LANE)
  const leaving = await Promise.all(Array.from({ length: 30 }, () => dial(t, url, text)))
  const lane = upstreams.orders.pick('writes')?.lanes.writes
  await until('waiting', () => lane?.stats().waiting === 30)
  const last = post(url)
  await until('waiting', () => lane?.stats().waiting === 31)
  for (const { socket } of leaving) socket.destroy()
  await until('they have gone', async () => {
    const ready = (await (await fetch(`${url}/health/live`)).json()) as { status: string }
    return ready.status === 'ok' && leaving.every(({ received }) => received.closed)
  })
  service.release()
  await until('the one who has stayed is served', () => service.held.length === 1)
  service.release()
  t.equal(await (await last).text(), 'written')
  t.same(lane?.stats().waiting, 0)
  for (const { received } of first) t.match(received.text, /written/)
})

t.test('slow readers are cut off: who is behind too long, and the oldest when there are too many', async (t) => {
  const service = await startStuck(t)
  const limits = { answerBytes: LARGE, totalBytes: LARGE, paused: 16, behindMs: 60_000 }
  const { url, upstreams } = await startGateway(t, { orders: [service.url] }, { readerLimits: limits })
  const lane = upstreams.orders.pick('reads')?.lanes.reads
  const readSlowly = async (gatewayUrl: string) => {
    const asked = service.large.count
    const client = await dial(t, gatewayUrl, large)
    client.socket.pause()
    await until('asked', () => service.large.count > asked)
    return client
  }
  const clients: Array<Awaited<ReturnType<typeof readSlowly>>> = []
  for (let i = 0; i < 8; i++) {
    clients.push(await readSlowly(url))
    // One after the other, or a later one may fall behind first.
    await until('its answer holds no connection', () => lane?.stats().running === 0)
  }
  for (const { socket } of clients) socket.resume()
  const isWhole = ({ text }: { text: string }) => text.length > LARGE
  await until('cut off or read', () => clients.every(({ received }) => received.closed || isWhole(received)))
  t.notOk(clients[0] && isWhole(clients[0].received), 'the first one was cut off')
  t.ok(
    clients.some(({ received }) => isWhole(received)),
    'a later one was not',
  )

  const brief = await startGateway(t, { orders: [service.url] }, { readerLimits: { ...limits, behindMs: 300 } })
  const client = await readSlowly(brief.url)
  await until('the gateway has no client', async () => (await connections(brief.server)) === 0)
  client.socket.resume()
  await until('closed', () => client.received.closed)
  t.notOk(isWhole(client.received), 'cut off')
})

const connections = (server: { getConnections(callback: (error: Error | null, count: number) => void): unknown }) =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })

t.test('an answer of any size passes to a client that reads slowly', async (t) => {
  const service = await startStuck(t)
  const limits = { answerBytes: 64 << 10, totalBytes: 8 * LARGE, paused: 16, behindMs: 60_000 }
  const { url } = await startGateway(t, { orders: [service.url] }, { readerLimits: limits })
  const { socket, received } = await dial(t, url, large)
  // One piece in each turn of the event loop.
  socket.on('data', () => {
    socket.pause()
    setImmediate(() => socket.resume())
  })
  await until('read', () => received.text.length > LARGE)
  t.match(received.text, /^HTTP\/1.1 200/)
})

t.test('a body that trickles in is cut off, and its client with it', async (t) => {
  const service = await startStuck(t)
  const { url, server } = await startGateway(t, { orders: [service.url] }, { requestTimeoutMs: 500 })
  const { socket, received } = await dial(t, url, 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n')
  const trickle = setInterval(() => socket.write('x'), 20)
  t.teardown(() => clearInterval(trickle))
  await until('answered', () => received.text.includes('"code":"request_timeout"'))
  t.match(received.text, /^HTTP\/1.1 408 /)
  await until('closed, although the client goes on', async () => (await connections(server)) === 0)
  t.equal(service.held.length, 0)
})

/** A ready instance whose answers wait while `paused`, as those of a process that was stopped, and come afterwards. */
async function startPausable(t: { teardown(close: () => unknown): void }) {
  const state = { paused: false, seen: 0 }
  const sockets = new Set<Socket>()
  const waiting: Array<() => void> = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const answer = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood')
      if (!data.includes('/health/ready')) state.seen++
      if (state.paused) waiting.push(answer)
      else answer()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const goOn = () => {
    state.paused = false
    for (const answer of waiting.splice(0)) answer()
  }
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, state, goOn }
}

t.test('the only instance falls silent: 504 as soon as a probe has told, and service again by itself', async (t) => {
  const service = await startPausable(t)
  const { url, upstreams } = await startGateway(t, { orders: [service.url], notifications: [service.url] })
  service.state.paused = true
  const [get, posted] = [fetch(`${url}/orders`), post(url)]
  for (const response of await Promise.all([get, posted])) {
    t.equal(response.status, 504, 'what was under way')
    const changed = response === (await posted) ? /effect is unknown/ : /Nothing was changed/
    t.match(await problemOf(response), { code: 'upstream_timeout', detail: changed })
  }
  t.equal(service.state.seen, 2)
  for (const response of await Promise.all([
    fetch(`${url}/orders`),
    post(url),
    fetch(`${url}/orders`, { method: 'PUT' }),
  ])) {
    t.equal(response.status, 504)
    t.match(await problemOf(response), { code: 'upstream_timeout', detail: /Nothing was changed/ })
  }
  t.equal(service.state.seen, 2, 'it is not asked')
  t.match(await (await fetch(`${url}/health/ready`)).json(), { upstreams: { orders: { status: 'failed' } } })
  service.goOn()
  await until('live again', () => upstreams.orders.state().instances[0]?.live)
  t.equal(await (await post(url)).text(), 'good')
})

t.test('one of two falls silent: its reads go on to the other, and nothing that was sent is sent again', async (t) => {
  const [one, other] = [await startPausable(t), await startPausable(t)]
  const { url } = await startGateway(t, { orders: [one.url, other.url] })
  one.state.paused = true
  const reads = await Promise.all(Array.from({ length: 4 }, () => fetch(`${url}/orders`)))
  t.same(
    reads.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  const before = one.state.seen + other.state.seen
  one.goOn()
  other.state.paused = true
  const writes = await Promise.all(Array.from({ length: 4 }, () => post(url)))
  t.ok(writes.every(({ status }) => status === 200 || status === 504))
  t.equal(one.state.seen + other.state.seen - before, 4)
})

t.test('one late answer is a pause: nothing is given up', async (t) => {
  const service = await startPausable(t)
  const { url, upstreams } = await startGateway(t, { orders: [service.url] })
  service.state.paused = true
  const posted = post(url)
  await until('late', () => !upstreams.orders.state().instances[0]?.live)
  service.goOn()
  t.equal((await posted).status, 200)
  await until('live again', () => upstreams.orders.state().instances[0]?.live)
})
