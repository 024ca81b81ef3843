/**
 * The states of a push connection, and all that leads from one to another. It has two kinds, and each changes without the
 * other: what is going on, and what the client has been sent.
 *
 *     subscribing ──────── subscribed ─▶ idle
 *     idle ─────────────── woken ──────▶ looking
 *     looking ──────────── woken ──────▶ lookingAgain
 *     looking ──────────── looked ─────▶ idle; looking when there may be more
 *     lookingAgain ─────── looked ─────▶ looking
 *     any of them ──────── the connection ends ─▶ ended
 *
 *     unread ───────────── positioned ─▶ catchingUp, behind the letter that the client has seen last
 *     catchingUp, live ─── sent ───────▶ the same, behind the last letter sent
 *     catchingUp ───────── caughtUp ───▶ live
 */
import { fail, ok } from 'node:assert'

export type Activity =
  /** Wake-ups do not reach it yet, so nothing is read: a letter committed after that read would not announce itself. */
  | 'subscribing'
  /** Everything is sent as far as anybody knows, or what is not waits for the next check. */
  | 'idle'
  /** A page is being read or sent. */
  | 'looking'
  /** The same, and it was woken meanwhile: what that page has not may be there by now. */
  | 'lookingAgain'
  | 'ended'

export type Progress =
  /** Where it begins is not known before the first read. */
  | { readonly name: 'unread'; readonly since: number | undefined }
  /** Sent up to this letter; then come more that were there before, then `ready`. */
  | { readonly name: 'catchingUp'; readonly sentSeq: number }
  /** Sent up to this letter, and told that it is ready. */
  | { readonly name: 'live'; readonly sentSeq: number }

type In<Name extends Progress['name']> = Extract<Progress, { name: Name }>

export function subscribed(activity: Activity): Activity {
  if (activity === 'ended') return 'ended'
  ok(activity === 'subscribing', `subscribed while ${activity}`)
  return 'idle'
}

/** There may be a letter. Whoever makes it `looking` looks; all others are sure that somebody will. */
export function woken(activity: Activity): Activity {
  switch (activity) {
    case 'idle':
      return 'looking'
    case 'looking':
      return 'lookingAgain'
    case 'subscribing':
    case 'lookingAgain':
    case 'ended':
      return activity
    default:
      throw new Error(`no such state: ${activity satisfies never}`)
  }
}

/** @param more whether there may be another page */
export function looked(activity: Activity, more: boolean): Activity {
  switch (activity) {
    case 'looking':
      return more ? 'looking' : 'idle'
    case 'lookingAgain':
      return 'looking'
    case 'ended':
      return 'ended'
    case 'subscribing':
    case 'idle':
      return fail(`looked while ${activity}`)
    default:
      throw new Error(`no such state: ${activity satisfies never}`)
  }
}

/** @param highest the number of the user's newest letter */
export function positioned(progress: Progress, highest: number): In<'catchingUp'> {
  ok(progress.name === 'unread', `positioned while ${progress.name}`)
  const { since = highest } = progress
  // More than there is means that the file was restored from an older copy: the client has to begin anew.
  return { name: 'catchingUp', sentSeq: since > highest ? 0 : since }
}

/** @param seq the number of the last letter sent */
export function sent(progress: Progress, seq: number): In<'catchingUp' | 'live'> {
  ok(progress.name !== 'unread', `letter ${seq} was sent while ${progress.name}`)
  ok(seq > progress.sentSeq, `letter ${seq} was sent after letter ${progress.sentSeq}`)
  return { name: progress.name, sentSeq: seq }
}

export function caughtUp(progress: Progress): In<'live'> {
  ok(progress.name === 'catchingUp', `caught up while ${progress.name}`)
  return { name: 'live', sentSeq: progress.sentSeq }
}

/** Whether there is something to send when the user's newest letter is this one. */
export function lacks(progress: Progress, highest: number): boolean {
  switch (progress.name) {
    case 'unread':
    case 'catchingUp':
      return true // if no letter, then `ready`
    case 'live':
      return progress.sentSeq < highest
    default:
      throw new Error(`no such state: ${progress satisfies never}`)
  }
}
