/** The WebSocket's upgrade through the gateway, byte by byte. */
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import { until } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { deadUrl, dial, startGateway, startService, startSilenceable, upgradeRequest } from './helpers.ts'

const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Mine: 1\r\n\r\n'

type Upgrader = (request: IncomingMessage, socket: Socket, head: Buffer) => void
interface Teardown {
  teardown(close: () => unknown): void
}

async function startUpgrading(t: Teardown, upgrader: Upgrader) {
  const requests: IncomingMessage[] = []
  const plain: string[] = []
  const service = await startService(t, (request, response) => {
    plain.push(request.url ?? '')
    response.end()
  })
  service.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    requests.push(request)
    upgrader(request, socket, head)
  })
  return { ...service, requests, plain }
}

const echo: Upgrader = (_request, socket, head) => {
  socket.write(AGREED)
  socket.write(head)
  socket.pipe(socket)
}

t.test('agreed: headers pass, then bytes both ways', async (t) => {
  const service = await startUpgrading(t, echo)
  const gateway = await startGateway(t, { notifications: [service.url] })
  const text = upgradeRequest('/notifications/stream?userId=ada&since=3', ['Origin: http://a', 'X-User-Id: ada'])
  // The first frame comes together with the request: it must not get lost, nor arrive before the 101.
  const { socket, received } = await dial(t, gateway.url, `${text}early`)
  await until('echoed', () => received.text.endsWith('early'))
  socket.write('\x00\xff binary', 'latin1')
  await until('echoed', () => received.text.endsWith('\x00\xff binary'))
  t.match(received.text, /^HTTP\/1.1 101 Switching Protocols\r\n/)
  t.match(received.text, /\r\nX-Mine: 1\r\n/)
  const [request] = service.requests
  t.equal(request?.url, '/notifications/stream?userId=ada&since=3')
  t.match(request?.headers, {
    host: 'shop.example',
    origin: 'http://a',
    'x-user-id': 'ada',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    'x-forwarded-for': '127.0.0.1',
    'x-request-id': /^[0-9a-f-]{36}$/,
  })
})

t.test("either side's end is the other's", async (t) => {
  let serviceSide: Socket | undefined
  const service = await startUpgrading(t, (request, socket, head) => {
    serviceSide = socket
    echo(request, socket, head)
  })
  const gateway = await startGateway(t, { notifications: [service.url] })

  const first = await dial(t, gateway.url, upgradeRequest('/notifications/stream'))
  await until('agreed', () => first.received.text.includes('\r\n\r\n'))
  first.socket.resetAndDestroy()
  await until('the service notices', () => serviceSide?.destroyed)

  const second = await dial(t, gateway.url, upgradeRequest('/notifications/stream'))
  await until('agreed', () => second.received.text.includes('\r\n\r\n'))
  serviceSide?.resetAndDestroy()
  await until('the client notices', () => second.received.closed)
  t.pass('both noticed')
})

t.test('refused: the answer passes, and the socket does not stay with the service', async (t) => {
  const body = '{"code":"origin_forbidden"}'
  const service = await startUpgrading(t, (_request, socket) => {
    socket.write(
      `HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
  })
  const gateway = await startGateway(t, { notifications: [service.url] })
  const behind = 'GET /admin/dead-letters HTTP/1.1\r\nHost: x\r\n\r\n'
  const { socket, received } = await dial(t, gateway.url, upgradeRequest('/notifications/stream') + behind)
  await until('answered', () => received.text.includes(body))
  socket.write(behind)
  await until('closed', () => received.closed)
  t.match(received.text, /^HTTP\/1.1 403 Forbidden\r\n/)
  t.match(received.text, /Content-Type: application\/problem\+json\r\n/)
  t.equal(received.text.split('HTTP/1.1').length, 2, 'one answer only')
  t.same(service.plain, [])
})

t.test('nobody there: 502 as a problem; a dead instance is passed by', async (t) => {
  const nobody = await startGateway(t, {})
  const { received } = await dial(t, nobody.url, upgradeRequest('/notifications/stream'))
  await until('closed', () => received.closed)
  t.match(received.text, /^HTTP\/1.1 502 Bad Gateway\r\n[\s\S]*"code":"upstream_unavailable"/)

  const service = await startUpgrading(t, echo)
  const { url } = await startGateway(t, { notifications: [await deadUrl(), service.url] })
  const connected = await dial(t, url, upgradeRequest('/notifications/stream'))
  await until('agreed', () => connected.received.text.includes(' 101 '))
})

t.test('an address that has gone: 502, not a time-out, whoever notices it first', async (t) => {
  const service = await startSilenceable(t)
  const { url, upstreams } = await startGateway(t, { notifications: [service.url] })
  const instance = upstreams.notifications.pick('reads')
  await service.fallSilent()
  const { received } = await dial(t, url, upgradeRequest('/notifications/stream'))
  // As a probe does that finds it before the upgrade's own patience ends.
  await until('it is being connected', () => instance?.onSilent.size === 1)
  for (const tell of instance?.onSilent ?? []) tell()
  await until('closed', () => received.closed)
  t.match(received.text, /^HTTP\/1.1 502 Bad Gateway\r\n[\s\S]*"code":"upstream_unavailable"/)
})

t.test('a client that does not read holds the service back, not the gateway', async (t) => {
  const chunk = Buffer.alloc(64 * 1024)
  const most = 1024 * chunk.length
  let written = 0
  let blocked = false
  const service = await startUpgrading(t, (_request, socket) => {
    socket.write(AGREED)
    const fill = () => {
      blocked = false
      while (written < most) {
        written += chunk.length
        if (!socket.write(chunk)) {
          blocked = true
          return
        }
      }
    }
    socket.on('drain', fill)
    fill()
  })
  const gateway = await startGateway(t, { notifications: [service.url] })
  const { socket, received } = await dial(t, gateway.url, upgradeRequest('/notifications/stream'))
  socket.pause()
  // Stopped for good, not just waiting: the same count for a whole second.
  let before = -1
  await until('the service is held back', async () => {
    if (!blocked || before !== written) {
      before = written
      await new Promise((resolve) => setTimeout(resolve, 1000))
      return false
    }
    return true
  })
  t.ok(written < most, `only ${written} of ${most} bytes went out`)
  socket.resume()
  await until('all of it arrives in the end', () => received.text.length >= most)
})

t.test('closing the gateway closes the sockets', async (t) => {
  let serviceSide: Socket | undefined
  const service = await startUpgrading(t, (request, socket, head) => {
    serviceSide = socket
    echo(request, socket, head)
  })
  const gateway = await startGateway(t, { notifications: [service.url] })
  const { received } = await dial(t, gateway.url, upgradeRequest('/notifications/stream'))
  await until('agreed', () => received.text.includes(' 101 '))
  await gateway.close()
  await until('the client notices', () => received.closed)
  await until('the service notices', () => serviceSide?.destroyed)
  t.pass('both noticed')
})

t.test('a client that reads nothing does not outlive the service', async (t) => {
  const cut: Upgrader = (_request, socket) => {
    socket.write(AGREED)
    const flood = () => {
      // Until every buffer on the way is full; then the end cannot get through to the gateway either.
      if (socket.write(Buffer.alloc(1 << 20))) setImmediate(flood)
      else setTimeout(() => socket.destroy(), 200)
    }
    flood()
  }
  const service = await startUpgrading(t, cut)
  const gateway = await startGateway(t, { notifications: [service.url] }, { silenceMs: 500 })
  const { socket } = await dial(t, gateway.url, upgradeRequest('/notifications/stream?userId=ada'))
  socket.pause()
  await until('asked', () => service.requests.length > 0)
  await until('the gateway holds no connection', async () => (await connections(gateway.server)) === 0)
  socket.resume()
  await until('the client has noticed', () => socket.destroyed)
})

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
