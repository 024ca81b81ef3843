/**
 * The one place that talks HTTP. Whatever goes wrong comes back as a Failure: problem details (RFC 9457), silence,
 * answers that are not ours. Nothing here throws or is tried twice.
 */
import { type Failure, failure } from './failure.ts'
import type { Platform } from './platform.ts'
import { asString, fieldsOf } from './storage.ts'

/** The gateway answers 504 after 10 s; beyond this there is nobody to wait for. */
const DEADLINE_MS = 15_000

export type Answer<T> = { ok: true; value: T } | { ok: false; problem: Failure }

export interface Asking {
  /** Goes out as X-User-Id. */
  userId?: string | undefined
  /** The answer is of no use any more once this is aborted. */
  signal?: AbortSignal
}

export interface Api {
  get<T>(path: string, asking: Asking): Promise<Answer<T>>
  /** `key` goes out as Idempotency-Key. */
  post<T>(path: string, body: unknown, asking: Asking & { key?: string }): Promise<Answer<T>>
  /** Gives up every request under way: they end without an answer. */
  close(): void
}

export function createApi(
  platform: Pick<Platform, 'fetch' | 'origin' | 'online' | 'setTimeout' | 'clearTimeout'>,
): Api {
  const open = new Set<AbortController>()

  async function ask<T>(path: string, init: RequestInit, { userId, signal }: Asking): Promise<Answer<T>> {
    const controller = new AbortController()
    const abort = () => controller.abort()
    const deadline = platform.setTimeout(abort, DEADLINE_MS)
    open.add(controller)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    try {
      const response = await platform.fetch(platform.origin + path, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), ...(userId !== undefined && { 'x-user-id': userId }) },
        // The same path answers differently per user, and what is shown is meant to be true now.
        cache: 'no-store',
        signal: controller.signal,
      })
      return toAnswer<T>(response, await response.text())
    } catch {
      return { ok: false, problem: platform.online.peek() ? noAnswer : offline }
    } finally {
      platform.clearTimeout(deadline)
      open.delete(controller)
      signal?.removeEventListener('abort', abort)
    }
  }

  return {
    get: (path, asking) => ask(path, { method: 'GET', headers: { accept: 'application/json' } }, asking),
    post(path, body, { key, ...asking }) {
      const headers = {
        accept: 'application/json',
        'content-type': 'application/json',
        ...(key !== undefined && { 'idempotency-key': key }),
      }
      return ask(path, { method: 'POST', headers, body: JSON.stringify(body) }, asking)
    },
    close() {
      for (const controller of open) controller.abort()
    },
  }
}

const noAnswer = failure('no_answer', 'The shop does not answer.')
const offline = failure('offline', 'There is no network.')

function toAnswer<T>(response: Response, text: string): Answer<T> {
  const body = parse(text)
  // 2xx without a JSON object is no answer of ours: a hotel's log-in page, for instance.
  if (response.ok && body !== undefined) return { ok: true, value: body as T }
  return { ok: false, problem: toFailure(response, body ?? {}) }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? fieldsOf(value) : undefined
  } catch {
    return undefined
  }
}

function toFailure({ status, headers }: Response, body: Record<string, unknown>): Failure {
  const requestId = asString(body.requestId) ?? headers.get('x-request-id') ?? undefined
  return {
    status,
    code: asString(body.code) ?? 'answer_unreadable',
    detail: asString(body.detail) ?? `The answer (HTTP ${status}) is none of the shop's.`,
    ...(requestId !== undefined && { requestId }),
    fields: toFields(body.errors),
  }
}

/** `errors` as path → message; a path's first message counts. */
function toFields(errors: unknown): Record<string, string> {
  if (!Array.isArray(errors)) return {}
  const entries = errors.map(fieldsOf).flatMap(({ path, message }) => {
    return typeof path === 'string' && typeof message === 'string' ? [[path, message] as const] : []
  })
  return Object.fromEntries(entries.reverse())
}
