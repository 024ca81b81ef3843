/**
 * What the relay knows of its stream: the states, and all that leads from one to another.
 *
 *     starting, doubtful ── beginComparing ──▶ comparing
 *     comparing ──────────── found: its end ──▶ inSync
 *     comparing ──────────── found: nothing ──▶ starting or doubtful: where it began
 *     inSync ─────────────── beginPublishing ─▶ publishing
 *     publishing ─────────── published ───────▶ inSync, at the batch's end
 *     any of them ────────── doubted ─────────▶ doubtful; starting when it was never in sync
 *
 * A doubt comes at any moment, also while the broker is being waited for. Each transition makes a new object. So whoever
 * comes back from the broker sees whether the state that it began in still stands; if not, what it found out or published
 * no longer says where the stream ends, and it leaves the state as it is.
 */
import { ok } from 'node:assert'

/** The outbox row `id` is at the sequence `seq`: the stream's last message. 0 and 0: there is none. */
export interface Position {
  readonly id: number
  readonly seq: number
}

export type Sync =
  /** Never in sync in this process: the stream may even have other limits than are configured now. */
  | { readonly name: 'starting' }
  /** A reconnect, a new lease, a failure: what was known may be untrue. Or the stream is not ours. */
  | { readonly name: 'doubtful' }
  /** It is being found out what is in the stream. */
  | { readonly name: 'comparing'; readonly from: 'starting' | 'doubtful' }
  /** The stream is what was published, and ends here. */
  | { readonly name: 'inSync'; readonly position: Position }
  /** The same, but for one batch that is on its way to the place behind it. */
  | { readonly name: 'publishing'; readonly position: Position }

type In<Name extends Sync['name']> = Extract<Sync, { name: Name }>

export const starting = (): Sync => ({ name: 'starting' })

export function doubted(sync: Sync): Sync {
  switch (sync.name) {
    case 'starting':
      return { name: 'starting' }
    case 'comparing':
      return { name: sync.from }
    case 'doubtful':
    case 'inSync':
    case 'publishing':
      return { name: 'doubtful' }
    default:
      throw new Error(`no such state: ${sync satisfies never}`)
  }
}

export function beginComparing(sync: Sync): In<'comparing'> {
  ok(sync.name === 'starting' || sync.name === 'doubtful', `the stream is compared while ${sync.name}`)
  return { name: 'comparing', from: sync.name }
}

/** @param position undefined when the comparison failed, was broken off, or found that the stream is not ours */
export function found(sync: Sync, position: Position | undefined): Sync {
  ok(sync.name === 'comparing', `something was found while ${sync.name}`)
  return position ? { name: 'inSync', position } : { name: sync.from }
}

/** @param firstId the batch's first row */
export function beginPublishing(sync: Sync, firstId: number): In<'publishing'> {
  ok(sync.name === 'inSync', `row ${firstId} would be published while ${sync.name}`)
  ok(firstId > sync.position.id, `row ${firstId} would be published again behind row ${sync.position.id}`)
  return { name: 'publishing', position: sync.position }
}

/** @param position the batch's last row */
export function published(sync: Sync, position: Position): In<'inSync'> {
  ok(sync.name === 'publishing', `row ${position.id} was published while ${sync.name}`)
  const { id, seq } = sync.position
  ok(position.id > id && position.seq > seq, `row ${position.id} at ${position.seq} is not behind row ${id} at ${seq}`)
  return { name: 'inSync', position }
}

/** Where the stream ends; undefined when that has to be found out. */
export function endOf(sync: Sync): Position | undefined {
  switch (sync.name) {
    case 'starting':
    case 'doubtful':
    case 'comparing':
      return undefined
    case 'inSync':
    case 'publishing':
      return sync.position
    default:
      throw new Error(`no such state: ${sync satisfies never}`)
  }
}
