/**
 * What an idle WebSocket costs: memory of notifications-service and of the gateway with and without many of them open,
 * each time after all garbage is collected, divided by their number. It starts a small system of its own for that,
 * with one instance of each service: garbage cannot be collected from outside, and other work would blur the figures.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { type System, startSystem } from '../scripts/system.ts'
import { eachOf, pause } from './http.ts'

/** Opened and closed again before measuring: what is allocated once, for the first socket, is no socket's. */
const WARM_UP = 200
const OPENING_AT_ONCE = 50
const SETTLE_DEADLINE_MS = 30_000
const KIB = 1024

export interface SocketMemory {
  sockets: number
  service: SocketCost
  gateway: SocketCost
}

/** Growth per socket, KiB. */
export interface SocketCost {
  rssKiB: number
  /** JavaScript objects. */
  heapKiB: number
  /** Memory that objects hold outside of the heap, as far as Node knows of it. */
  externalKiB: number
}

/** Opens `count` sockets of as many users through the gateway. Throws when no system can be started here. */
export async function measureSockets(count: number, progress: (text: string) => void): Promise<SocketMemory> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sockets-'))
  progress('idle sockets: starting a system of their own')
  const settle = join(import.meta.dirname, 'settle-on-signal.ts')
  const env = { NODE_OPTIONS: `--expose-gc --import ${settle}`, SETTLED: folder, LOG_LEVEL: 'warn' }
  try {
    const system = await startSystem({ dataDir: folder, ports: 'free', instances: 1, env })
    try {
      return await measure(system, folder, count, progress)
    } finally {
      await system.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(system: System, folder: string, count: number, progress: (text: string) => void) {
  const read = async () => ({
    service: await settled(system, 'notifications-service', folder),
    gateway: await settled(system, 'gateway', folder),
  })
  await closeAll(await openAll(system.url, WARM_UP, progress))
  const before = await read()
  const sockets = await openAll(system.url, count, progress)
  const after = await read()
  const alive = sockets.filter((socket) => socket.readyState === WebSocket.OPEN).length
  if (alive < count) throw new Error(`${count - alive} of ${count} idle sockets did not stay open`)
  await closeAll(sockets)
  return {
    sockets: count,
    service: perSocket(before.service, after.service, count),
    gateway: perSocket(before.gateway, after.gateway, count),
  }
}

function perSocket(before: NodeJS.MemoryUsage, after: NodeJS.MemoryUsage, count: number): SocketCost {
  const growth = (key: keyof NodeJS.MemoryUsage) => (after[key] - before[key]) / count / KIB
  return { rssKiB: growth('rss'), heapKiB: growth('heapUsed'), externalKiB: growth('external') }
}

async function openAll(url: string, count: number, progress: (text: string) => void): Promise<WebSocket[]> {
  const sockets: WebSocket[] = []
  const base = url.replace(/^http/, 'ws')
  const users = Array.from({ length: count }, (_, i) => `idle-${i}`)
  await eachOf(users, OPENING_AT_ONCE, async (user) => {
    sockets.push(await openReady(`${base}/notifications/stream?userId=${user}`))
    progress(`idle sockets: ${sockets.length} of ${count} open`)
  })
  return sockets
}

/** Resolves with the first text, which is `ready`: nothing is under way on the socket then. */
function openReady(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    socket.once('message', () => resolve(socket))
    socket.once('error', reject)
    socket.once('close', (code) => reject(new Error(`an idle socket was closed with ${code}`)))
  })
}

async function closeAll(sockets: readonly WebSocket[]) {
  const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  for (const socket of sockets) socket.close()
  await Promise.all(closed)
}

/** What a process uses once its garbage is collected. */
async function settled(system: System, name: string, folder: string): Promise<NodeJS.MemoryUsage> {
  const { pid } = system.process(name)
  if (pid === undefined) throw new Error(`${name} is not running`)
  const file = join(folder, `${pid}`)
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  const deadline = performance.now() + SETTLE_DEADLINE_MS
  for (;;) {
    try {
      return JSON.parse(readFileSync(file, 'utf8'))
    } catch {
      if (performance.now() > deadline) throw new Error(`${name} did not collect its garbage`)
      await pause(50)
    }
  }
}
