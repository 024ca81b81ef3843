/** The HTTP side of idempotency keys: the header in, the stored answer out. */
import type { IncomingMessage } from 'node:http'
import { Problem } from '@checkout/kernel/problem.ts'
import type { Answer } from '@checkout/store/port.ts'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'

/** For a route's `schema.headers`. Its bounds are checked by `idempotencyKey`, which has an error code of its own. */
export const idempotencyHeader = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'Any text of 1–255 printable ASCII characters that names this request. Sent again with the same body within 24 h, it gets the first answer again, with Idempotency-Replayed: true, and nothing happens twice.',
    }),
  ),
})

/**
 * Reads the header.
 * @throws Problem idempotency_key_invalid unless it is absent or 1–255 printable ASCII characters.
 */
export function idempotencyKey(request: IncomingMessage): string | undefined {
  const value = request.headers['idempotency-key']
  if (value === undefined) return undefined
  // Node joins a repeated header with ", ", which would be a valid key: only the raw headers show it.
  const sent = request.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'idempotency-key')
  if (typeof value !== 'string' || sent.length !== 1 || !/^[\x20-\x7e]{1,255}$/.test(value)) {
    throw new Problem('idempotency_key_invalid')
  }
  return value
}

/** Sends the answer, first or replayed. */
export function sendAnswer<Body>(reply: FastifyReply, answer: Answer<Body>): FastifyReply {
  if (answer.location !== undefined) reply.header('location', answer.location)
  if (answer.replayed) reply.header('idempotency-replayed', 'true')
  return reply.code(answer.status).send(answer.body)
}
