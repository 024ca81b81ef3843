/**
 * The Postman Collection Format, version 2.1 (https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/), as far
 * as it is needed, and how requests are written down here.
 */

interface Event {
  listen: 'prerequest' | 'test'
  script: { type: 'text/javascript'; exec: string[] }
}

export interface Item {
  name: string
  event: Event[]
  request: {
    method: string
    header: { key: string; value: string }[]
    body?: object
    url: object
    description?: string
  }
  response: []
  protocolProfileBehavior?: { followRedirects: false }
}

export interface Folder {
  name: string
  description: string
  item: (Item | Folder)[]
}

/** One request, with what must be true of its answer. */
export interface Call {
  /** Who asks: the collection variable with the user's id. Absent: no X-User-Id is sent. */
  as?: 'buyer' | 'shopper' | 'walkIn' | 'stranger' | 'newcomer'
  /** Absent: the path of the route, with the collection variable `order` for {id}. */
  path?: string
  /** Without the question mark. */
  query?: string
  headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON; a text as it is, also announced as JSON unless `headers` has a Content-Type. */
  body?: object | string
  /** Postman script, see checks.ts. */
  test: string
  description?: string
  followRedirects?: false
}

/** @param route such as `GET /orders` */
export function request(name: string, route: string, call: Call): Item {
  const [method = '', template = ''] = route.split(' ')
  const { as, path = template.replace('{id}', '{{order}}'), query, body, headers = {}, description } = call
  const sent: Record<string, string> = {
    ...(as !== undefined && { 'X-User-Id': `{{${as}}}` }),
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...headers,
  }
  const raw = typeof body === 'string' ? body : JSON.stringify(body, null, 2)
  const language = sent['Content-Type'] === 'application/json' ? 'json' : 'text'
  return {
    name,
    event: [script('test', call.test)],
    request: {
      method,
      header: Object.entries(sent).map(([key, value]) => ({ key, value })),
      ...(body !== undefined && { body: { mode: 'raw', raw, options: { raw: { language } } } }),
      url: urlOf(path, query),
      ...(description !== undefined && { description }),
    },
    response: [],
    ...(call.followRedirects === false && { protocolProfileBehavior: { followRedirects: false } }),
  }
}

/** The folder of one route: its requests by name. */
export const endpoint = (route: string, description: string, calls: Readonly<Record<string, Call>>): Folder => ({
  name: route,
  description,
  item: Object.entries(calls).map(([name, call]) => request(name, route, call)),
})

/** Lines are kept apart, as Postman does it: differences between versions stay readable. */
export const script = (listen: Event['listen'], text: string): Event => ({
  listen,
  script: { type: 'text/javascript', exec: text.trim().split('\n') },
})

function urlOf(path: string, query: string | undefined): object {
  const pairs = query?.split('&').map((pair) => pair.split('='))
  return {
    raw: `{{baseUrl}}${path}${query === undefined ? '' : `?${query}`}`,
    host: ['{{baseUrl}}'],
    path: path.slice(1).split('/'),
    ...(pairs && { query: pairs.map(([key, value]) => ({ key, value })) }),
  }
}
