/** Lists: newest first by insertion sequence, one page at a time. The cursor holds the last sequence of a page. */

import { invalid } from '@checkout/kernel/problem.ts'
import { Type } from 'typebox'

const LIMIT_DEFAULT = 20
const LIMIT_MAX = 100

/** The query parameters of every list; spread them into the route's querystring object. */
export const pageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT, description: 'Items per page.' }),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 64, description: '`next` of the page before; leave it out for the first.' }),
  ),
}

/** The prefix tells a cursor of this form from a later one, and from text that merely is base64. */
const CURSOR_PREFIX = 'v1.'

/** @param seq insertion sequence, an integer ≥ 0 */
export const encodeCursor = (seq: number): string => Buffer.from(CURSOR_PREFIX + seq).toString('base64url')

/** @throws Problem validation_failed when the text is not exactly what encodeCursor gave out */
export function decodeCursor(text: string): number {
  const [, digits] = /^v1\.(\d{1,16})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  const seq = Number(digits)
  // Comparing with the re-encoded text refuses what Buffer skips silently (foreign characters, padding).
  if (digits === undefined || !Number.isSafeInteger(seq) || encodeCursor(seq) !== text) {
    throw invalid('/query/cursor', 'is not a cursor of this list; use `next` of the page before')
  }
  return seq
}

/** The page out of `limit + 1` fetched rows: the extra row only says that there is a next page. */
export function toPage<T>(rows: readonly T[], limit: number, seqOf: (row: T) => number) {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? encodeCursor(seqOf(last)) : null }
}
