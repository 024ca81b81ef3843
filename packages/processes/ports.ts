import { connect, createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '@checkout/contracts/services.ts'

/** The ports of one system. Instance k of a service listens on its base port + 10(k−1). */
export type Ports = Readonly<Record<Part | 'nats' | 'postgres' | 'gateway' | 'web', number>>

/** A port that must be free, and what to do when it is not. */
export interface NeededPort {
  readonly port: number
  readonly user: string
  readonly remedy: string
}

export const PORT_STEP = 10
export const portOf = (base: number, instance: number) => base + PORT_STEP * (instance - 1)

/** Listens on a port; null when it is taken. Throws when the host is not one of this machine's addresses. */
async function listen(port: number, host: string, variable = 'HOST'): Promise<Server | null> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(null)
      else reject(new Error(`cannot listen on ${host}:${port} (${error.code}): check ${variable}`))
    })
    server.listen({ port, host, exclusive: true }, () => resolve(server))
  })
}

const close = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()))

async function isFree(port: number, host: string, variable?: string) {
  const server = await listen(port, host, variable)
  if (server) await close(server)
  return server !== null
}

/**
 * Throws one error that names every port in use, who wants it, and what to do; and one that names the variable when this
 * machine does not have the address.
 */
export async function assertPortsFree(needed: readonly NeededPort[], host: string, variable: string) {
  const taken: string[] = []
  for (const { port, user, remedy } of needed) {
    if (!(await isFree(port, host, variable)))
      taken.push(`port ${port} (${user}) is in use or not permitted: ${remedy}`)
  }
  if (taken.length > 0) throw new Error(taken.join('\n'))
}

const BLOCK = 100
const LOCK = BLOCK - 1

/**
 * Ports of a system for a test: a block of 100, kept for this process until `release`, so that test files running at
 * the same time never get the same ones. They lie below the range that systems give to outgoing connections
 * (32768 on Linux): a port stays usable while its process is down.
 */
export async function reservePorts(): Promise<Ports & { release(): Promise<void> }> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const base = 15_000 + BLOCK * Math.floor(Math.random() * 170)
    const lock = await listen(base + LOCK, '127.0.0.1')
    if (!lock) continue
    lock.unref()
    const wanted = Array.from({ length: LOCK }, (_, i) => base + i)
    const free = await Promise.all(wanted.map((port) => isFree(port, '127.0.0.1')))
    if (free.every(Boolean)) {
      const [orders, payments, notifications, web, gateway, nats, postgres] = [1, 2, 3, 4, 5, 6, 7].map(
        (n) => base + n,
      ) as [number, number, number, number, number, number, number]
      return { orders, payments, notifications, web, gateway, nats, postgres, release: () => close(lock) }
    }
    await close(lock)
  }
  throw new Error('found no 100 free ports in a row between 15000 and 32000')
}

/** Resolves when something accepts connections on the port. */
export async function untilListening(port: number, signal: AbortSignal) {
  while (true) {
    signal.throwIfAborted()
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (accepted) return
    await delay(30, undefined, { signal }).catch(() => {})
  }
}
