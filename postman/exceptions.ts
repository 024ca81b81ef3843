/** What the API documents and the collection does not show, with the reasons; test/system/postman.test.ts keeps it exact. */
import type { ProblemCode } from '@checkout/kernel/problem.ts'

/** Answers by `METHOD path status code`, as the OpenAPI documents list them. */
export const answersNotShown: readonly { answers: RegExp; what: string; reason: string }[] = [
  {
    answers: /^GET \/notifications\/stream 101$/,
    what: 'the WebSocket itself',
    reason: 'newman speaks HTTP only; a Postman collection of format 2.1 holds no WebSocket',
  },
  {
    answers: /^\w+ \/admin\//,
    what: '`/admin/…`',
    reason: 'only a service’s own port answers it, never the gateway',
  },
  {
    answers: / 403 host_forbidden$/,
    what: '403 `host_forbidden`',
    reason: 'it takes a page whose name was made to lead here',
  },
  {
    answers: / 409 balance_limit$/,
    what: '409 `balance_limit`',
    reason: 'it takes 9,008 deposits of the largest amount',
  },
  {
    answers: / 429 rate_limited$/,
    what: '429 `rate_limited`',
    reason: 'the limit is off unless RATE_LIMIT_PER_MINUTE is set',
  },
  {
    answers: / 503 outcome_unknown$/,
    what: '503 `outcome_unknown`',
    reason: 'it takes a PostgreSQL that is lost in the middle of a COMMIT, and stays away',
  },
  {
    answers: / 503 store_unavailable$/,
    what: '503 `store_unavailable`',
    reason: 'it takes a locked database or a full disk',
  },
]

/** Codes that no route documents, because they are not a route’s. */
export const codesNotShown: Readonly<Partial<Record<ProblemCode, string>>> = {
  upstream_unavailable: 'it takes a service that is down',
  upstream_timeout: 'it takes a service that hangs',
  internal_error: 'it takes a mistake in the code',
  request_malformed: 'Postman sends well-formed HTTP only',
  precondition_failed: 'files know it, the API does not',
  range_not_satisfiable: 'files know it, the API does not',
  request_timeout: 'it takes a client that stops in the middle of a request',
  headers_too_large: 'what stands before the gateway, such as an Ingress, answers it first',
}
