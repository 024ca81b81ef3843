/** Every error that the HTTP API can answer: RFC 9457 problem details, with a stable `code` for programs; and its status. */
import { STATUS_CODES } from 'node:http'

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
  outcome_unknown: define(
    503,
    'The database did not say whether it has stored this. Repeat it with the same Idempotency-Key: it then takes effect once.',
  ),
  upstream_timeout: define(
    504,
    'The service behind the gateway answered too late. Its effect is unknown; retry safely.',
  ),
} satisfies Record<string, Definition>

export interface FieldError {
  /** JSON Pointer (RFC 6901) to the value: `/amount` in the body, `/query/limit` in the query. */
  path: string
  message: string
}

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
    this.headers = this.status === 503 ? { 'retry-after': '1', ...headers } : (headers ?? {})
  }

  toBody(requestId: string): ProblemBody {
    const { title, status, detail, code, errors } = this
    return { type: 'about:blank', title, status, detail, code, requestId, ...(errors && { errors }) }
  }
}

/** A validation_failed with one entry. */
export const invalid = (path: string, message: string) =>
  new Problem('validation_failed', { errors: [{ path, message }] })
