/** The HTTP side of errors: whatever is thrown in a request is answered as a Problem. */
import { invalid, Problem, type ProblemCode } from '@checkout/kernel/problem.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { fieldErrors } from './validation.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** With every answer that a route does not say better of: nobody keeps it, and nobody takes it for another type. */
export const SAFE_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const

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
  if (code === 'OUTCOME_UNKNOWN') return new Problem('outcome_unknown', { cause: error })
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
