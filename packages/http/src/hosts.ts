/**
 * Under which names the system may be addressed. A page of evil.example can have its name resolve to this machine (DNS
 * rebinding): to the browser it is then one origin with the service. Only the Host field tells, which no page can set.
 */
import { isIP } from 'node:net'

export interface OwnHosts {
  /** @param authority a Host field's value: a name or an address, with or without a port */
  has(authority: string | undefined): boolean
}

/** Names seen before, so that a request costs one look-up; clients can send any, so it is bounded. */
const KNOWN_MAX = 1_000

/**
 * This machine's names for itself, every IP address (a page has one as its origin only if that address served it, which no
 * DNS answer changes), and the names given: `shop.example`, or `*.shop.example` for everything below it.
 * Ports, case and the dot of a fully qualified name make no difference.
 */
export function ownHosts(names: readonly string[]): OwnHosts {
  const allowed = new Set(['localhost', '*.localhost', ...names.map((name) => name.toLowerCase())])
  const known = new Map<string, boolean>()
  return {
    has(authority = '') {
      let own = known.get(authority)
      if (own === undefined) {
        own = isOwn(authority, allowed)
        if (known.size >= KNOWN_MAX) known.clear()
        known.set(authority, own)
      }
      return own
    },
  }
}

function isOwn(authority: string, allowed: ReadonlySet<string>): boolean {
  const name = nameOf(authority)
  if (name === undefined) return false
  if (allowed.has(name) || isIP(name.replace(/^\[|\]$/g, '')) > 0) return true
  const labels = name.split('.')
  return labels.some((_, i) => i > 0 && allowed.has(`*.${labels.slice(i).join('.')}`))
}

/** As a browser understands it; undefined for what is no `host[:port]`. */
function nameOf(authority: string): string | undefined {
  if (/[/?#@\\\s]/.test(authority)) return undefined
  return URL.parse(`http://${authority}`)?.hostname.replace(/\.$/, '')
}
