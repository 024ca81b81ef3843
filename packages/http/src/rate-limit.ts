/**
 * The limit per user and per client address, off by default: it protects the others from one client's runaway loop. Each
 * instance counts for itself, in memory, by the monotonic clock: a step of the wall clock locks nobody out.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import type { FastifyRequest } from 'fastify'
import type { App } from './app.ts'

export interface RateLimits {
  /** Requests of one user, or of one address, in a minute; 0 = no limit. */
  perMinute: number
  /** Proxies before the gateway, each of which appends to X-Forwarded-For whom it was called by. */
  proxiesInFront?: number
}

const WINDOW_S = 60
/** Users and addresses that are counted at a time; beyond, the ones counted longest are forgotten. */
const WINDOWS_MAX = 50_000

interface Window {
  requests: number
  readonly endsAt: number
}

/**
 * Counts every request by the user that it identifies; routes with `config.limitAddress` by the client's address where it
 * names no user. Others (health, metrics, docs) are not limited. The answers carry RateLimit-Policy and RateLimit
 * (draft-ietf-httpapi-ratelimit-headers); beyond the limit 429 rate_limited with Retry-After.
 */
export function registerRateLimit(app: App, limits: RateLimits, { monotonic }: Platform): void {
  const { perMinute, proxiesInFront = 0 } = limits
  if (perMinute === 0) return
  const windows = new Map<string, Window>()

  function count(key: string): Window {
    let window = windows.get(key)
    if (window === undefined || window.endsAt <= monotonic()) {
      windows.delete(key)
      window = { requests: 0, endsAt: monotonic() + WINDOW_S * 1_000 }
      windows.set(key, window)
      if (windows.size > WINDOWS_MAX) windows.delete(windows.keys().next().value as string)
    }
    window.requests += 1
    return window
  }

  // After every onRequest hook, so that identify has run wherever the route put it; still before the body is read.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const counted = whoIsCounted(request, proxiesInFront)
    if (counted === undefined) return done()
    const { requests, endsAt } = count(`${counted.policy} ${counted.by}`)
    const seconds = Math.ceil((endsAt - monotonic()) / 1_000)
    reply.header('ratelimit-policy', `"${counted.policy}";q=${perMinute};w=${WINDOW_S}`)
    reply.header('ratelimit', `"${counted.policy}";r=${Math.max(0, perMinute - requests)};t=${seconds}`)
    if (requests <= perMinute) return done()
    done(new Problem('rate_limited', { headers: { 'retry-after': `${seconds}` } }))
  })
}

function whoIsCounted(request: FastifyRequest, proxiesInFront: number) {
  if (request.userId !== '') return { policy: 'user', by: request.userId }
  if (request.routeOptions.config?.limitAddress !== true) return undefined
  return { policy: 'address', by: networkOf(clientAddress(request, proxiesInFront)) }
}

/**
 * Whom the gateway, or the outermost of the proxies before it, was called by. Only the end of X-Forwarded-For is trusted:
 * what they appended themselves; in front of that the client can write what it likes.
 */
function clientAddress({ headers, raw }: FastifyRequest, proxiesInFront: number): string {
  const hops = String(headers['x-forwarded-for'] ?? '').split(',')
  return hops.at(-1 - proxiesInFront)?.trim() || hops[0]?.trim() || raw.socket.remoteAddress || 'unknown'
}

/** An IPv4 address, or the 64 bits of an IPv6 one that are a subscriber's: the others he may choose at will. */
export function networkOf(address: string): string {
  const plain = address.replace(/^\[|\]$|%.*$/g, '')
  const mapped = plain.replace(/^::ffff:/i, '')
  if (isIPv4(mapped)) return mapped
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const groups = [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
