/** Requests that must be refused, whatever the route: each with the status, code and path that it must get. */
import { request } from 'node:http'
import type { Answer } from './http-contract.ts'

export interface Refusal {
  label: string
  payload?: string | Buffer
  contentType?: string
  status: number
  code: string
  /** The JSON Pointer that `errors` must name. */
  path?: string
}

/** A body as JSON text; values are given as JSON text too, so that 1e400 and 1.0 arrive as they are. */
export const jsonOf = (fields: Readonly<Record<string, string>>): string =>
  `{${Object.entries(fields)
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(',')}}`

const json = 'application/json'
const invalid = { contentType: json, status: 400, code: 'validation_failed' } as const

/** Amounts that are none, as JSON text. */
const badAmounts = ['0', '-1', '1.5', '"5"', 'true', '[5]', '9007199254740992', '1000000000001', '1e400', 'null', '{}']

/** Bad bodies for a route that takes `fields` (values as JSON text); `wrong` are further values by field. */
export function badBodies(
  fields: Readonly<Record<string, string>>,
  wrong: Readonly<Record<string, readonly string[]>> = {},
): Refusal[] {
  const values = { ...('amount' in fields && { amount: badAmounts }), ...wrong }
  return [
    ...Object.entries(values).flatMap(([name, list]) =>
      list.map((value) => ({
        ...invalid,
        label: `${name} ${value.length > 60 ? `of ${value.length} characters` : value}`,
        payload: jsonOf({ ...fields, [name]: value }),
        path: `/${name}`,
      })),
    ),
    ...Object.keys(fields).map((name) => ({
      ...invalid,
      label: `${name} missing`,
      payload: jsonOf(Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))),
      path: `/${name}`,
    })),
    ...unreadableBodies(fields),
    { ...invalid, label: 'null', payload: 'null', path: '' },
    { ...invalid, label: 'a list', payload: '[]', path: '' },
    { label: 'an empty body', payload: '', contentType: json, status: 400, code: 'body_invalid_json' },
    { label: 'no body', status: 400, code: 'validation_failed', path: '' },
  ]
}

/** Bad bodies for every route that reads one, also for those that want none. */
export function unreadableBodies(fields: Readonly<Record<string, string>>): Refusal[] {
  const good = jsonOf(fields)
  return [
    { ...invalid, label: 'an extra field', payload: jsonOf({ ...fields, extra: '1' }), path: '/extra' },
    {
      ...invalid,
      label: '__proto__',
      payload: `${good.slice(0, -1)}${good === '{}' ? '' : ','}"__proto__":{"admin":true}}`,
      path: '/__proto__',
    },
    { label: 'broken JSON', payload: '{"amount":', contentType: json, status: 400, code: 'body_invalid_json' },
    {
      label: 'broken UTF-8',
      payload: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      contentType: json,
      status: 400,
      code: 'body_invalid_json',
    },
    {
      label: 'half of a surrogate pair',
      payload: jsonOf({ ...fields, text: '"\\ud800"' }),
      contentType: json,
      status: 400,
      code: 'body_invalid_json',
    },
    { label: '17 KiB', payload: ' '.repeat(17 * 1024) + good, contentType: json, status: 413, code: 'body_too_large' },
    { label: 'text', payload: good, contentType: 'text/plain', status: 415, code: 'content_type_unsupported' },
    {
      label: 'a form',
      payload: 'amount=5',
      contentType: 'application/x-www-form-urlencoded',
      status: 415,
      code: 'content_type_unsupported',
    },
  ]
}

/** Values of X-User-Id that are none. */
export const badUserIds = ['x'.repeat(65), 'a.b', '*', '>', 'a b', 'a,b', 'ada, ada', 'ad\u00e9', '../etc']

/** Queries that no list takes, each with the path that `errors` must name. */
export const badPages: readonly (readonly [query: string, path: string])[] = [
  ['limit=0', '/query/limit'],
  ['limit=-1', '/query/limit'],
  ['limit=101', '/query/limit'],
  ['limit=abc', '/query/limit'],
  ['limit=1.5', '/query/limit'],
  ['limit=', '/query/limit'],
  ['limit=1&limit=2', '/query/limit'],
  ['cursor=', '/query/cursor'],
  ['cursor=garbage', '/query/cursor'],
  ['cursor=%2A%2A', '/query/cursor'],
  [`cursor=${Buffer.from('hello').toString('base64url')}`, '/query/cursor'],
  [`cursor=${Buffer.from('v1.-5').toString('base64url')}`, '/query/cursor'],
  [`cursor=${Buffer.from('v1.1.5').toString('base64url')}`, '/query/cursor'],
  [`cursor=${Buffer.from('v1.99999999999999999').toString('base64url')}`, '/query/cursor'],
  ['cursor=a&cursor=b', '/query/cursor'],
  ['colour=red', '/query/colour'],
]

/** Values of Idempotency-Key that are none. */
export const badIdempotencyKeys = ['', 'x'.repeat(256), 'cl\u00e9', 'tab\there']

/** A request over a socket, with headers exactly as listed: inject cannot repeat one. */
export function rawRequest(options: {
  port: number
  method: string
  path: string
  headers: readonly (readonly [name: string, value: string])[]
  body?: string
}): Promise<Answer> {
  const { port, method, path, body = '' } = options
  const headers = [
    ['Host', 'localhost'],
    ['Content-Length', String(Buffer.byteLength(body))],
    ...options.headers,
  ].flat()
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
        })
      })
    })
      .on('error', reject)
      .end(body)
  })
}
