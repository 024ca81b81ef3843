/** Every error that the HTTP API can answer: RFC 9457 problem details, with a stable `code` for programs. */
import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isStorageError } from './storage-error.ts'
import { type FieldError, fieldErrors } from './validation.ts'

interface Definition {
  status: number
  /** The status's phrase, as RFC 9457 §4.2.1 wants it for `type: about:blank`. */
  title: string
  /** What happened and what to do about it; a Problem may say it more exactly. */
  detail: string
}
const define = (status: number, detail: string): Definition => ({ status, title: STATUS_CODES[status] ?? '', detail })

/** The single source of statuses: code → status, title, default detail. */
export const problemCodes = {
  validation_failed: define(400, 'Some values are not valid. `errors` names each one and what it must be.'),
  body_invalid_json: define(400, 'The body is not valid JSON in UTF-8. Send one JSON object.'),
  user_id_required: define(401, 'Send the header X-User-Id with the id of the user.'),
  user_id_invalid: define(400, 'Send X-User-Id once, with 1 to 64 letters, digits, "_" or "-".'),
  body_too_large: define(413, 'The body is over 16 KiB. Send a smaller one.'),
  content_type_unsupported: define(415, 'Send the body as JSON, with Content-Type: application/json.'),
  route_not_found: define(404, 'There is no such method and path. The routes are listed at /docs/.'),
  rate_limited: define(429, 'Too many requests. Wait as long as Retry-After says (in seconds).'),
  idempotency_key_invalid: define(400, 'Send Idempotency-Key once, with 1 to 255 printable ASCII characters.'),
  idempotency_key_reused: define(
    422,
    'This Idempotency-Key was used with another body. Use a new key for a new request; repeat the same body to retry.',
  ),
  user_exists: define(409, 'A user with this id is already registered. Read it with GET /users/me.'),
  user_not_found: define(404, 'This user is not registered. Register with POST /users.'),
  account_exists: define(409, 'The user has an account already. Read it with GET /accounts/me.'),
  account_not_found: define(
    404,
    'The user has no account. Open one with POST /accounts; after POST /users it opens by itself within moments.',
  ),
  order_not_found: define(404, 'There is no such order of this user. GET /orders lists them.'),
  insufficient_funds: define(409, 'The balance is smaller than the amount. Deposit first or use a smaller amount.'),
  balance_limit: define(409, 'The balance would exceed the largest one that can be kept. Use a smaller amount.'),
  replay_failed: define(409, 'The message failed again. Mend what its error names, then replay it, or discard it.'),
  dead_letter_not_found: define(404, 'There is no such dead letter. GET /admin/dead-letters lists them.'),
  upgrade_required: define(426, 'This path is a WebSocket. Connect with a WebSocket client.'),
  host_forbidden: define(403, 'The host of this address is not one of the system’s own. Add it to ALLOWED_HOSTS.'),
  origin_forbidden: define(403, 'Pages of this origin may not connect. Add the origin to ALLOWED_ORIGINS.'),
  request_malformed: define(400, 'This is not a well-formed HTTP/1.1 request.'),
  precondition_failed: define(412, 'The file is not as If-Match or If-Unmodified-Since wants it.'),
  range_not_satisfiable: define(416, 'The file has no such bytes as Range asks for.'),
  request_timeout: define(408, 'The request did not arrive in time. Send it again.'),
  headers_too_large: define(431, 'The request headers are too large. Send fewer or shorter ones.'),
  internal_error: define(500, 'Something went wrong on our side. Try again; if it stays, report the requestId.'),
  upstream_unavailable: define(502, 'The service behind the gateway does not answer. Try again in a moment.'),
  store_unavailable: define(503, 'The data cannot be written or read now. Nothing was changed; try again shortly.'),
  upstream_timeout: define(
    504,
    'The service behind the gateway answered too late. Its effect is unknown; retry safely.',
  ),
} satisfies Record<string, Definition>

export type ProblemCode = keyof typeof problemCodes

export interface ProblemBody {
  type: string
  title: string
  status: number
  detail: string
  code: ProblemCode
  requestId: string
  errors?: FieldError[]
}

export interface ProblemOptions {
  detail?: string
  errors?: FieldError[]
  headers?: Record<string, string>
  cause?: unknown
}

export const PROBLEM_TYPE = 'application/problem+json'

/** With every answer that a route does not say better of: nobody keeps it, and nobody takes it for another type. */
export const SAFE_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const

/** Throw it anywhere in a request: the error handler answers it. `detail` goes to the client, `cause` to the log. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly errors: FieldError[] | undefined
  readonly headers: Record<string, string>

  constructor(code: ProblemCode, { detail, errors, headers, cause }: ProblemOptions = {}) {
    const definition = problemCodes[code]
    super(detail ?? definition.detail, { cause })
    this.code = code
    this.status = definition.status
    this.title = definition.title
    this.detail = this.message
    this.errors = errors
    this.headers = code === 'store_unavailable' ? { 'retry-after': '1', ...headers } : (headers ?? {})
  }

  toBody(requestId: string): ProblemBody {
    const { title, status, detail, code, errors } = this
    return { type: 'about:blank', title, status, detail, code, requestId, ...(errors && { errors }) }
  }
}

/** A validation_failed with one entry. */
export const invalid = (path: string, message: string) =>
  new Problem('validation_failed', { errors: [{ path, message }] })

/** Fastify's own errors (https://fastify.dev/docs/latest/Reference/Errors/) that are the client's doing. */
const fastifyCodes: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'body_invalid_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body_invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body_invalid_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'content_type_unsupported',
  FST_ERR_BAD_URL: 'route_not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'route_not_found',
  FST_ERR_NOT_FOUND: 'route_not_found',
}

/** Errors of plugins and of Node that call themselves the client's doing; other 4xx are request_malformed. */
const statusProblems: Readonly<Record<number, ProblemCode>> = {
  403: 'route_not_found', // a path that leads out of a folder of files
  404: 'route_not_found',
  412: 'precondition_failed',
  416: 'range_not_satisfiable',
}

/** Any error as a Problem. What is not known here becomes internal_error and tells the client nothing. */
export function toProblem(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error
  const { code, validation, validationContext, statusCode } = error as Partial<FastifyError>
  if (validation) {
    if (validationContext === 'body' && request.body === undefined) return missingBody(request)
    return new Problem('validation_failed', {
      errors: fieldErrors(validation as Parameters<typeof fieldErrors>[0], validationContext ?? 'body'),
    })
  }
  const known = code === undefined ? undefined : fastifyCodes[code]
  if (known) return new Problem(known, { cause: error })
  if (isStorageError(error)) return new Problem('store_unavailable', { cause: error })
  // Also when the request's stream broke while its body was read (Fastify marks that 400): nobody reads this answer then.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem(statusProblems[statusCode] ?? 'request_malformed', { cause: error })
  }
  return new Problem('internal_error', { cause: error })
}

/** An empty body announced as JSON is no JSON; no body and no Content-Type is a missing value. */
const missingBody = (request: FastifyRequest) =>
  request.headers['content-type'] === undefined
    ? invalid('', 'a JSON body is required')
    : new Problem('body_invalid_json', { detail: 'The body is empty. Send one JSON object.' })

/** Fastify's error handler: answers the problem and logs 5xx once, with the error. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(error, request)
  // A 503 is trouble that passes (and may come in thousands); a 500 is a mistake to be looked at.
  if (problem.status === 500) request.log.error({ err: problem.cause ?? problem }, 'request failed')
  else if (problem.status > 500) request.log.warn({ err: problem.cause ?? problem }, 'request not served')
  sendProblem(problem, request, reply)
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(new Problem('route_not_found'), request, reply)
}

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  reply
    .code(problem.status)
    .headers(SAFE_HEADERS) // again: where Fastify itself refuses, no hook has run
    .headers(problem.headers)
    .header('content-type', PROBLEM_TYPE)
    // As bytes: to JSON text Fastify would append a charset, which the media type does not have (RFC 9457 §6.1).
    .send(Buffer.from(JSON.stringify(problem.toBody(request.id))))
}
