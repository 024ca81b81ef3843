/** What a proxy must and must not change in a message's header fields. Lists are flat: name, value, name, value, … */
import type { IncomingMessage } from 'node:http'
import type { ProblemCode } from '@checkout/kernel/problem.ts'

/**
 * Fields that speak of one connection only (RFC 9110, 7.6.1), so they end at the gateway. Only these: what a message
 * nominates in `Connection` beyond them is passed on. A proxy that obeys lets a client delete what somebody nearer
 * has added, the user's identity first of all, and a field too many at a service does no harm.
 */
const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Set anew by the client library (the length) or below, or answered by Node already (Expect: 100-continue). */
const REPLACED = new Set(['content-length', 'expect', 'x-forwarded-for', 'x-request-id'])

/** Node's server takes 16 KiB of target and fields, and 2,000 fields; what we add must fit as well. */
const HEAD_BYTES_MAX = 16_000
const FIELDS_MAX = 1_000

/** host[:port] of RFC 3986. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?$/i
/** What may stand in a request line; Node's parser lets a tab or a form feed through. */
const TARGET = /^[\x21-\xff]+$/

/**
 * Everything the client sent, in its order and with repeated fields still repeated, so that the service judges them. Or,
 * of a request that no service could judge because it does not get that far, what is to be answered.
 */
export function requestHeaders(request: IncomingMessage, path: string, requestId: string): string[] | ProblemCode {
  const raw = request.rawHeaders
  const known = request.headers
  const coding = known['transfer-encoding']
  if (raw.length > 2 * FIELDS_MAX) return 'headers_too_large'
  // Another coding than chunked would be passed on as if it were the content.
  if (!TARGET.test(path) || (coding !== undefined && coding.toLowerCase() !== 'chunked')) return 'request_malformed'
  const headers: string[] = []
  let hosts = 0
  let bytes = path.length
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || REPLACED.has(lower)) continue
    if (lower === 'host' && (++hosts > 1 || !HOST.test(value))) return 'request_malformed'
    bytes += name.length + value.length
    headers.push(name, value)
  }
  const peer = request.socket.remoteAddress ?? 'unknown'
  const before = known['x-forwarded-for']
  const addresses = before ? `${before}, ${peer}` : peer
  headers.push('x-request-id', requestId, 'x-forwarded-for', addresses)
  if (known['x-forwarded-host'] === undefined && known.host !== undefined) {
    bytes += known.host.length
    headers.push('x-forwarded-host', known.host)
  }
  if (known['x-forwarded-proto'] === undefined) headers.push('x-forwarded-proto', 'http')
  return bytes + addresses.length > HEAD_BYTES_MAX ? 'headers_too_large' : headers
}

/** A service's answer as it goes to the client. `raw`: as it came, from undici as bytes, from node:http as strings. */
export function responseHeaders(raw: ReadonlyArray<Buffer | string>, requestId: string): string[] {
  const headers: string[] = []
  let hasRequestId = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i])
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower)) continue
    if (lower === 'x-request-id') hasRequestId = true
    headers.push(name, text(raw[i + 1]))
  }
  if (!hasRequestId) headers.push('x-request-id', requestId)
  return headers
}

/** Field values are bytes; latin1 is the decoding that gives the same bytes again. */
function text(value: Buffer | string | undefined) {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '')
}
