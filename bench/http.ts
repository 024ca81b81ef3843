/**
 * The load generator's HTTP: undici clients, one connection each, no pipelining, so that "64 connections" means 64
 * requests in flight. It shares the machine with what it measures, hence `dispatch` (about 20 µs of CPU per request
 * here, half of what promises and body streams cost) and no JSON parsing under load.
 */
import { Client, Pool } from 'undici'

const REQUEST_TIMEOUT_MS = 30_000

export interface Answer {
  status: number
  body: string
}

/** One connection. `post` calls back with the answer, or with an Error when there was none. */
export interface Connection {
  post(path: string, headers: string[], body: string, done: (error: Error | null, answer: Answer) => void): void
  close(): Promise<void>
}

export function openConnection(baseUrl: string): Connection {
  const client = new Client(baseUrl, {
    pipelining: 1,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
  })
  return {
    post(path, headers, body, done) {
      const answer = { status: 0, body: '' }
      client.dispatch(
        { method: 'POST', path, headers, body },
        {
          onRequestStart() {},
          onResponseStart(_controller, status) {
            answer.status = status
          },
          onResponseData(_controller, chunk) {
            answer.body += chunk.toString()
          },
          onResponseEnd() {
            done(null, answer)
          },
          onResponseError(_controller, error) {
            done(error, answer)
          },
        },
      )
    },
    close: () => client.destroy(),
  }
}

/** An unexpected answer: names the request and what came back. */
export class UnexpectedAnswer extends Error {
  status: number
  constructor(request: string, status: number, body: string) {
    super(`${request} answered ${status}: ${body.slice(0, 300)}`)
    this.status = status
  }
}

export type Api = ReturnType<typeof openApi>

/** Set-up and reading back: JSON in and out, a few connections. Throws UnexpectedAnswer on any status but 2xx. */
export function openApi(baseUrl: string, connections: number) {
  const pool = new Pool(baseUrl, { connections, headersTimeout: REQUEST_TIMEOUT_MS, bodyTimeout: REQUEST_TIMEOUT_MS })
  const call = async (method: 'GET' | 'POST', path: string, headers: Record<string, string>, body?: unknown) => {
    const response = await pool.request({
      method,
      path,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.body.text()
    if (response.statusCode >= 300) throw new UnexpectedAnswer(`${method} ${path}`, response.statusCode, text)
    return JSON.parse(text)
  }
  return {
    /** How many calls it can do at a time. */
    connections,
    get: <T>(path: string, user = ''): Promise<T> => call('GET', path, user ? { 'x-user-id': user } : {}),
    post: <T>(path: string, user: string, body: unknown, key?: string): Promise<T> =>
      call('POST', path, { 'x-user-id': user, ...(key && { 'idempotency-key': key }) }, body),
    close: () => pool.destroy(),
  }
}

/** Runs `work` over all items, at most `width` at a time. */
export async function eachOf<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]()
  const worker = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
