/** What a proxy must and must not change in a message's header fields. Lists are flat: name, value, name, value, … */
import type { IncomingMessage } from 'node:http'

/** Fields that speak of one connection only (RFC 9110, 7.6.1), so they end at the gateway. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Everything the client sent, in its order and with repeated fields still repeated, so that the service judges them. */
export function requestHeaders(request: IncomingMessage, requestId: string): string[] {
  const raw = request.rawHeaders
  const nominated = nominatedFields(request.headers.connection)
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower)) continue
    // Set anew by the client below (the length) or by us, or answered by Node already (Expect: 100-continue).
    if (lower === 'content-length' || lower === 'expect' || lower === 'x-forwarded-for' || lower === 'x-request-id')
      continue
    headers.push(name, raw[i + 1] as string)
  }
  const known = request.headers
  const peer = request.socket.remoteAddress ?? 'unknown'
  const before = known['x-forwarded-for']
  headers.push('x-request-id', requestId, 'x-forwarded-for', before ? `${before}, ${peer}` : peer)
  if (known['x-forwarded-host'] === undefined && known.host !== undefined) headers.push('x-forwarded-host', known.host)
  if (known['x-forwarded-proto'] === undefined) headers.push('x-forwarded-proto', 'http')
  return headers
}

/** A service's answer as it goes to the client. `raw`: as it came, from undici as bytes, from node:http as strings. */
export function responseHeaders(raw: ReadonlyArray<Buffer | string>, requestId: string): string[] {
  const headers: string[] = []
  let hasRequestId = false
  let nominated: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    if (text(raw[i]).toLowerCase() === 'connection') nominated = nominatedFields(text(raw[i + 1]))
  }
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i])
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower)) continue
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

/** The fields that `Connection` declares hop-by-hop; undefined for the two values that everybody sends. */
function nominatedFields(connection: string | undefined) {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}
