/** What can come of asking the API. */

/** Why something did not work, for programs and, through `settings.explain()`, for people. */
export interface Failure {
  /** HTTP status; 0 = there was no answer, or nothing was sent. */
  status: number
  /** The problem's code (packages/kernel/src/problem.ts), or one of the model's own: see `OwnCode`. */
  code: string
  /** The API's own English text. */
  detail: string
  /** As in X-Request-Id. */
  requestId?: string
  /** JSON Pointer → message in the API's English; show it through `settings.explainField()`. */
  fields: Record<string, string>
}

/** Codes that no service answers: they are found out on this side. */
export type OwnCode =
  | 'offline' // no answer, and the browser says that it has no network
  | 'no_answer' // no answer (in time)
  | 'answer_unreadable' // an answer that no service of ours gives: HTML of a proxy, broken JSON
  | 'attempt_pending' // the attempt before this one has no answer yet: repeat it or give it up first
  | 'attempt_expired' // the attempt is so old that its key may be forgotten: sending it again could do it twice
  | 'nothing_pending' // there is no attempt to repeat (any more)
  | 'currency_unknown' // the account has not been read yet, so nobody knows how many digits an amount has
  | 'no_user' // nobody is registered or chosen in this tab
  | 'letter_not_found'

/** Something that is read. `loading` only before the first answer: a value is not taken away by a later failure. */
export type Remote<T> = { state: 'loading' } | { state: 'ready'; value: T } | { state: 'failed'; problem: Failure }

/** One for all, so that nobody is drawn again because something is still loading. */
export const loading: Remote<never> = { state: 'loading' }

export type Result = { ok: true } | { ok: false; problem: Failure }

export const failure = (
  code: OwnCode | 'validation_failed',
  detail: string,
  fields: Failure['fields'] = {},
): Failure => ({
  status: 0,
  code,
  detail,
  fields,
})

/** What every action answers while nobody is current, or if somebody else is by now. */
export const noUser: { ok: false; problem: Failure } = {
  ok: false,
  problem: failure('no_user', 'Register or choose a user first.'),
}
