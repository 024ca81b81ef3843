/** Who asks: the header X-User-Id, set by the company's infrastructure. Never taken from the body or the query. */
import { USER_ID_PATTERN } from '@checkout/contracts/values.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /** The asking user; '' on routes that do not identify, or when optionalIdentity found no header. */
    userId: string
  }
}

const pattern = new RegExp(USER_ID_PATTERN)

/**
 * The user id of a header value. Node joins the values of a repeated header with ", ", which the pattern refuses, so
 * repeated and comma-joined ids need no case of their own.
 *
 * @throws Problem user_id_invalid
 */
export function parseUserId(header: string | string[]): string {
  if (typeof header !== 'string' || !pattern.test(header)) throw new Problem('user_id_invalid')
  return header
}

/** One URL is another document for each user: said to every cache, beside `no-store`. */
export function varyByUser(reply: FastifyReply): void {
  reply.header('vary', 'X-User-Id')
}

/**
 * Route option `onRequest: identify`: sets request.userId. onRequest comes before the body is read, so a bad identity
 * is answered before a bad body. Missing or empty: 401 user_id_required. Malformed or repeated: 400 user_id_invalid.
 */
export function identify(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  varyByUser(reply)
  const header = request.headers['x-user-id']
  if (header === undefined || header === '') throw new Problem('user_id_required')
  request.userId = parseUserId(header)
  done()
}

/**
 * Like identify, but the header may be absent (request.userId is '' then). Present and empty is 400 user_id_invalid:
 * it is a broken client, and taking it for absent would register a new user on each try.
 */
export function optionalIdentity(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  varyByUser(reply)
  const header = request.headers['x-user-id']
  if (header !== undefined) request.userId = parseUserId(header)
  done()
}
