/** What happens when instances die, hang, refuse or reset. */

import { createServer, type Socket } from 'node:net'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { createUpstream } from '../src/upstream.ts'
import { deadUrl, dial, kill, problemOf, startGateway, startService, startSilenceable } from './helpers.ts'

const post = (url: string) => fetch(url, { method: 'POST', body: '{}' })

/** A service that says which one it is and counts what it was asked. */
async function counting(t: { teardown(close: () => unknown): void }, name: string, port = 0) {
  const asked = { count: 0 }
  const service = await startService(
    t,
    (_request, response) => {
      asked.count++
      response.end(name)
    },
    port,
  )
  return { ...service, asked }
}

/** Ready, but cuts the connection when it has read a request. `seen` counts the requests. */
async function resetting(t: { teardown(close: () => unknown): void }) {
  const seen = { count: 0 }
  const { url } = await startService(t, (request) => {
    seen.count++
    request.socket.resetAndDestroy()
  })
  return { url, seen }
}

t.test('requests go to the live instances in turn', async (t) => {
  const a = await counting(t, 'a')
  const b = await counting(t, 'b')
  const { url } = await startGateway(t, { orders: [a.url, await deadUrl(), b.url] })
  for (let i = 0; i < 10; i++) await (await fetch(`${url}/orders`)).text()
  t.same([a.asked.count, b.asked.count], [5, 5])
})

t.test('a name stands for every address it has', async (t) => {
  const { url, port } = await counting(t, 'a')
  const upstream = createUpstream('orders', [`http://localhost:${port}`], createPlatform(), { info() {}, warn() {} })
  t.teardown(() => upstream.close())
  await upstream.start()
  const { instances } = upstream.state()
  t.ok(instances.length >= 1)
  t.same(
    instances.filter((one) => one.live).map((one) => one.url),
    [url],
    'not the name, and of its addresses the one that answers',
  )
})

t.test('a killed instance leaves and its successor joins', async (t) => {
  const a = await counting(t, 'a')
  const b = await counting(t, 'b')
  const { url, upstreams } = await startGateway(t, { orders: [a.url, b.url] })
  const isLive = (address: string) => upstreams.orders.state().instances.find((one) => one.url === address)?.live
  t.equal(isLive(a.url), true)
  kill(a.server)
  await until('dropped without a request', () => isLive(a.url) === false)
  for (let i = 0; i < 4; i++) t.equal(await (await post(`${url}/orders`)).text(), 'b')

  await counting(t, 'a again', a.port)
  await until('joined without a request', () => isLive(a.url) === true)
  const answers = new Set([await (await post(`${url}/orders`)).text(), await (await post(`${url}/orders`)).text()])
  t.same(answers, new Set(['a again', 'b']))
})

t.test('an instance that hangs or is not ready leaves', async (t) => {
  let mode: 'ready' | 'unready' | 'hanging' = 'ready'
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      if (mode === 'hanging') return
      socket.write(`HTTP/1.1 ${mode === 'ready' ? 200 : 503} -\r\nContent-Length: 0\r\n\r\n`)
    })
    sockets.add(socket)
  })
  const sockets = new Set<Socket>()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const { upstreams } = await startGateway(t, { orders: [`http://127.0.0.1:${port}`] })
  const isLive = () => upstreams.orders.state().instances[0]?.live
  for (const next of ['unready', 'ready', 'hanging', 'ready'] as const) {
    mode = next
    await until(`${next} seen`, () => isLive() === (next === 'ready'))
  }
  t.equal(isLive(), true)
})

t.test('refused: every method goes on to the next instance', async (t) => {
  const a = await counting(t, 'a')
  const b = await counting(t, 'b')
  const { url, upstreams } = await startGateway(t, { orders: [a.url, b.url] })
  // Both are marked live for as long as no probe and no closing socket tells: the next POSTs meet the refusal.
  kill(a.server)
  const answers = await Promise.all(Array.from({ length: 6 }, () => post(`${url}/orders`)))
  t.same(await Promise.all(answers.map((answer) => answer.text())), Array(6).fill('b'))
  await until('dropped', () => upstreams.orders.state().instances.filter((one) => one.live).length === 1)
})

t.test('reset after the request was sent: only GET and HEAD are repeated', async (t) => {
  const bad = await resetting(t)
  const good = await counting(t, 'good')
  const { url } = await startGateway(t, { orders: [bad.url, good.url] })
  for (let i = 0; i < 4; i++) t.equal(await (await fetch(`${url}/orders`)).text(), 'good')
  for (let i = 0; i < 4; i++) t.equal((await fetch(`${url}/orders`, { method: 'HEAD' })).status, 200)
  t.ok(bad.seen.count > 0, 'the bad one had its turns')
  const answered = good.asked.count
  const before = bad.seen.count

  const statuses: number[] = []
  for (let i = 0; i < 4; i++) {
    const response = await post(`${url}/orders`)
    statuses.push(response.status)
    if (response.status === 502) {
      t.match(await problemOf(response), { mediaType: 'application/problem+json', code: 'upstream_unavailable' })
    }
  }
  t.same(statuses.sort(), [200, 200, 502, 502])
  t.equal(bad.seen.count - before, 2, 'each one seen once')
  t.equal(good.asked.count - answered, 2, 'and nothing sent twice')
})

t.test('the only instance resets: GET is tried again, POST is not', async (t) => {
  const bad = await resetting(t)
  const { url } = await startGateway(t, { orders: [bad.url] })
  t.equal((await post(`${url}/orders`)).status, 502)
  t.equal(bad.seen.count, 1)
  t.equal((await fetch(`${url}/orders`)).status, 502)
  t.equal(bad.seen.count, 4)
})

t.test('nobody there: 502 at once, and service as soon as there is somebody', async (t) => {
  const dead = await deadUrl()
  const { url } = await startGateway(t, { orders: [dead] })
  const response = await post(`${url}/orders`)
  t.equal(response.status, 502)
  const problem = await problemOf(response)
  t.match(problem, { mediaType: 'application/problem+json', code: 'upstream_unavailable', title: 'Bad Gateway' })
  t.equal(problem.requestId, response.headers.get('x-request-id'))
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.equal(response.headers.get('x-content-type-options'), 'nosniff')

  await counting(t, 'a', Number(new URL(dead).port))
  t.equal(await (await post(`${url}/orders`)).text(), 'a', 'an instance not yet known to be live is tried')
})

t.test('an address that has gone: nothing left, so every method goes on, and alone it is 502', async (t) => {
  const [one, other] = [await startSilenceable(t), await startSilenceable(t)]
  const good = await counting(t, 'good')
  const alone = await startGateway(t, { orders: [one.url] })
  const { url } = await startGateway(t, { orders: [other.url, good.url] })
  // Before a probe has told, its turn still comes.
  await one.fallSilent()
  for (const response of await Promise.all([fetch(`${alone.url}/orders`), post(`${alone.url}/orders`)])) {
    t.equal(response.status, 502)
    t.match(await problemOf(response), { code: 'upstream_unavailable' })
  }
  await until('nobody is asked any more', () => alone.upstreams.orders.pick('reads') === undefined)
  t.equal((await post(`${alone.url}/orders`)).status, 502)

  await other.fallSilent()
  const answers = await Promise.all(Array.from({ length: 4 }, () => post(`${url}/orders`)))
  t.same(await Promise.all(answers.map((answer) => answer.text())), Array(4).fill('good'))
})

t.test('too late: 504, and nothing is repeated', async (t) => {
  let asked = 0
  const slow = await startService(t, () => {
    asked++
  })
  const { url } = await startGateway(t, { orders: [slow.url] })
  const [get, posted] = await Promise.all([fetch(`${url}/orders`), post(`${url}/orders`)])
  for (const response of [get, posted]) {
    t.equal(response.status, 504)
    t.match(await problemOf(response), { mediaType: 'application/problem+json', code: 'upstream_timeout' })
  }
  t.equal(asked, 2)
})

t.test('an answer cut short is cut short for the client too', async (t) => {
  const service = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  })
  const { url } = await startGateway(t, { orders: [service.url] })
  await t.rejects(fetch(`${url}/orders`).then((response) => response.text()))
})

t.test('the same port, closed politely: no POST is lost to a connection that was idle', async (t) => {
  const a = await counting(t, 'a')
  const { url, upstreams } = await startGateway(t, { orders: [a.url] })
  t.equal(await (await post(`${url}/orders`)).text(), 'a')
  a.server.closeIdleConnections()
  await until('noticed', () => upstreams.orders.pick('writes')?.lanes.writes.stats().connected === 0)
  t.equal(await (await post(`${url}/orders`)).text(), 'a')
})

t.test('closing: a request under way is finished, and its connection is told to close', async (t) => {
  let finish: (() => void) | undefined
  const service = await startService(t, (_request, response) => {
    finish = () => response.end('finished')
  })
  const { url, close } = await startGateway(t, { orders: [service.url] })
  const { received } = await dial(t, url, 'GET /orders HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('under way', () => finish)
  const closed = close()
  await until('new connections are refused', () =>
    fetch(`${url}/health/live`).then(
      () => false,
      () => true,
    ),
  )
  finish?.()
  await closed
  await until('answered and closed', () => received.closed)
  t.match(received.text, /^HTTP\/1.1 200 OK\r\n[\s\S]*Connection: close\r\n[\s\S]*finished/i)
})
