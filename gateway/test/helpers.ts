/** A gateway on a real port in front of real servers, and a client that sends exactly the bytes it is given. */

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { buildApp, type Upstreams } from '../src/app.ts'
import { createUpstream } from '../src/upstream.ts'

const machine = createPlatform()

interface Teardown {
  teardown(close: () => unknown): void
}

const logger = createLogger({ name: 'gateway', instance: 1, level: 'silent' })

/** An upstream on an ephemeral port (or a given one): ready, and answering everything else with the listener. */
export async function startService(t: Teardown, listener: RequestListener, port = 0) {
  const server = createServer((request, response) => {
    if (request.url === '/health/ready') response.end('{}')
    else listener(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  t.teardown(() => kill(server))
  return { server, url: urlOf(server), port: (server.address() as AddressInfo).port }
}

export const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** What a SIGKILL does to a process's sockets: no more connections, the open ones cut. */
export function kill(server: Server) {
  server.close()
  server.closeAllConnections()
}

/** A URL on which nobody listens. */
export async function deadUrl() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = urlOf(server)
  await new Promise((resolve) => server.close(resolve))
  return url
}

/**
 * A ready service that can fall silent, as the address of a container that was removed: its listener then accepts
 * nothing, and those who wait already are so many that nobody else gets through.
 */
export async function startSilenceable(t: Teardown) {
  const program = `
    const { createServer } = require('node:http')
    const { parentPort } = require('node:worker_threads')
    const server = createServer((_request, response) => response.end('{}'))
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => parentPort.postMessage(server.address().port))
    parentPort.on('message', () => {
      parentPort.postMessage('silent')
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
    })`
  const worker = new Worker(program, { eval: true })
  const [port] = await once(worker, 'message')
  const waiting: Socket[] = []
  t.teardown(async () => {
    for (const socket of waiting) socket.destroy()
    await worker.terminate()
  })
  const fallSilent = async () => {
    worker.postMessage('fall silent')
    await once(worker, 'message')
    for (let connected = true; connected; ) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      waiting.push(socket)
      await Promise.race([once(socket, 'connect').catch(() => {}), delay(300)])
      // This process may have been late to look: what the kernel has connected it learns now.
      for (let i = 0; i < 3; i += 1) await turn()
      connected = !socket.connecting
    }
  }
  return { url: `http://127.0.0.1:${port}`, fallSilent }
}

type GatewayOptions = Pick<Parameters<typeof buildApp>[0], 'silenceMs' | 'requestTimeoutMs' | 'readerLimits'> & {
  log?: Parameters<typeof createUpstream>[3]
}

/** Services that are not given have one dead instance. */
export async function startGateway(
  t: Teardown,
  urls: Partial<Record<keyof Upstreams, string[]>>,
  { log = logger, ...options }: GatewayOptions = {},
) {
  const dead = [await deadUrl()]
  const open = (name: keyof Upstreams) => createUpstream(name, urls[name] ?? dead, machine, log)
  const upstreams: Upstreams = {
    orders: open('orders'),
    payments: open('payments'),
    notifications: open('notifications'),
    web: open('web'),
  }
  await Promise.all(Object.values(upstreams).map((upstream) => upstream.start()))
  const app = await buildApp({ upstreams, platform: machine, logger, metrics: createMetrics(), ...options })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  let closed: Promise<unknown> | undefined
  const close = () => {
    closed ??= app.close().then(() => Promise.all(Object.values(upstreams).map((upstream) => upstream.close())))
    return closed
  }
  t.teardown(close)
  return { url, upstreams, server: app.server, close }
}

/** Connects, sends the text and gathers what comes back. */
export async function dial(t: Teardown, url: string, text: string) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const received = { text: '', closed: false }
  socket.on('data', (chunk) => {
    received.text += chunk.toString('latin1')
  })
  socket.on('close', () => {
    received.closed = true
  })
  socket.write(text, 'latin1')
  return { socket, received }
}

export async function problemOf(response: Response) {
  const body = (await response.json()) as { code: string; status: number; requestId: string; title: string }
  return { mediaType: response.headers.get('content-type'), ...body }
}

export const upgradeRequest = (path: string, fields: string[] = []) =>
  [
    `GET ${path} HTTP/1.1`,
    'Host: shop.example',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...fields,
    '',
    '',
  ].join('\r\n')

export type { Socket }
