/** Hash routes: they never reach a server, so they cannot collide with the API's paths. */

export type Route =
  | { name: 'home' }
  | { name: 'orders' }
  | { name: 'order'; id: string }
  | { name: 'account' }
  | { name: 'letters' }
  | { name: 'letter'; seq: number }
  | { name: 'system' }
  | { name: 'users' }
  | { name: 'history' }
  | { name: 'missing' }

const plain = ['orders', 'account', 'letters', 'system', 'users', 'history'] as const

/** `location.hash` as a route; whatever is none of them is `missing`. */
export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#?\/?/, '').replace(/\/$/, '')
  if (path === '') return { name: 'home' }
  const name = plain.find((known) => known === path)
  if (name) return { name }
  const [, list, last = ''] = /^(orders|letters)\/([^/]+)$/.exec(path) ?? []
  if (list === 'letters' && /^[1-9]\d{0,14}$/.test(last)) return { name: 'letter', seq: Number(last) }
  // Nothing that the path of a request could mean something else by, such as '..'.
  const id = list === 'orders' ? decoded(last) : undefined
  return id && /^[\w-]+$/.test(id) ? { name: 'order', id } : { name: 'missing' }
}

/** The link to a route, such as '#/orders/01a2…'; parseRoute's inverse. */
export function href(route: Route): string {
  switch (route.name) {
    case 'home':
    case 'missing':
      return '#/'
    case 'order':
      return `#/orders/${encodeURIComponent(route.id)}`
    case 'letter':
      return `#/letters/${route.seq}`
    default:
      return `#/${route.name}`
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // a stray %
  }
}
