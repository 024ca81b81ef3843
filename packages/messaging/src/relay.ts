/**
 * The relay: publishes the outbox to its stream, in order, and knows at every moment whether the stream still is what
 * it published.
 *
 * The broker is a disposable cache of the outbox. It acknowledges before it fsyncs, so it can lose a tail, a stream or
 * its whole disk. The stream has this one writer, and every publish states the sequence it expects, so any difference
 * shows at once. After a refusal, a reconnect or a change of the stream's incarnation the relay compares the stream
 * with its records (`compare`): it adopts what a crash kept it from recording, or, when anything is not as recorded,
 * makes the stream anew and publishes every retained row again. What it knows, and when it does not, is in `sync.ts`.
 *
 * Runs in the instance that holds the lease; records are fenced by it.
 */
import { ok } from 'node:assert'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { type Lease, LeaseLost } from '@checkout/store/lease.ts'
import { DELETION_PAUSE_MS } from './durables.ts'
import { createDuty, type Duty } from './duty.ts'
import type { OwnStream } from './own-stream.ts'
import type { OutboxRow, Publication } from './port.ts'
import { createRoom } from './room.ts'
import {
  beginComparing,
  beginPublishing,
  doubted,
  endOf,
  found,
  type Position,
  published,
  type Sync,
  starting,
} from './sync.ts'

/** Messages per batch: one answer awaited, one record written for so many. */
const BATCH = 256
/** How long a record waits for a COMMIT to share: it tells nobody anything, and a crash before it is made up for. */
const RECORD_PATIENCE_MS = 10
/** Rows in the stream without a record, at most: what a comparison is prepared to adopt. */
const UNRECORDED_MAX = 2 * BATCH
/** The relay wakes after every commit; this is only the fallback. */
const POLL_MS = 500
/** Until a full stream is looked at again. */
const FULL_WAIT_MS = 50

export interface RelayOptions extends OwnStream {
  readonly lease: Lease
  readonly onPublished?: (rows: number) => void
}

export interface Relay extends Duty {
  /** Whether the stream was compared with the records since the last reconnect, and nothing was refused since. */
  inSync(): boolean
  /**
   * Whether the server still gives out the last message of which it is recorded that it was published. False also when that was purged meanwhile.
   * @throws when the broker does not answer
   */
  isReadable(): Promise<boolean>
  /** Compares the stream with the records again before the next publish. */
  resync(): void
}

const endOfBatch = ({ lastId, lastSeq }: Publication): Position => ({ id: lastId, seq: lastSeq })

export const messageId = (row: { id: number; eventId: string }): string => `${row.eventId}.${row.id}`

export function createRelay(options: RelayOptions): Relay {
  const { stream, outbox, write, broker, durables, lease, platform, logger } = options
  const room = createRoom(options)
  const fence = () => write((tx) => tx.lease.assertHeld())
  let sync = starting()
  /** Whether the stream of this name was somebody else's: if it is not there, it was deleted just now. */
  let foreignSeen = false
  /** In the stream, and not yet in the records. */
  let unrecorded: { readonly publication: Publication; readonly at: number }[] = []
  let recording: Promise<void> | undefined

  const duty = createDuty({ name: `relay ${stream.name}`, everyMs: POLL_MS, round, lease, platform, logger })
  const doubt = () => {
    sync = doubted(sync)
  }
  /** Ends what began in `from`, unless that was doubted meanwhile. */
  const settle = (from: Sync, to: Sync) => {
    if (sync === from) sync = to
  }
  broker.onConnection((connected) => {
    doubt()
    if (connected) duty.wake()
  })
  lease.onAcquired(() => {
    unrecorded = [] // of the time before: another holder may have recorded that, or made the stream anew
    doubt()
  })

  async function round(signal: AbortSignal): Promise<boolean> {
    if (!broker.connected) return false
    if (!endOf(sync)) await locate(signal)
    const before = sync
    const after = endOf(before)
    if (!after) return false
    const waiting = await outbox.take(after.id, BATCH)
    if (waiting.length === 0) return false
    try {
      const rows = await room.admit(waiting, after.seq)
      if (rows.length === 0) await platform.sleep(FULL_WAIT_MS, signal)
      else if (sync === before) await publish(rows)
    } catch (error) {
      doubt()
      // Looked at now, not only next time: the upkeep works only while the position is known.
      await locate(signal)
      throw error
    }
    return true
  }

  async function locate(signal: AbortSignal): Promise<void> {
    await recording
    if (signal.aborted) return
    const comparing = beginComparing(sync)
    sync = comparing
    let position: Position | undefined
    try {
      position = await compare(comparing.from === 'starting', signal)
    } finally {
      settle(comparing, found(comparing, position))
    }
  }

  async function publish(rows: readonly OutboxRow[]): Promise<void> {
    const publishing = beginPublishing(sync, rows[0]?.id ?? 0)
    sync = publishing
    const { seq } = publishing.position
    await broker.publish(
      stream.name,
      rows.map((row) => ({
        subject: row.type,
        messageId: messageId(row),
        payload: row.event,
        traceparent: row.traceparent ?? undefined,
      })),
      seq,
    )
    // Every answer was checked against its own place (`check` in jetstream.ts): the batch is in the stream as a whole.
    options.onPublished?.(rows.length)
    // Doubted meanwhile, perhaps because the batch before was not recorded: records have no gaps, so this one is adopted.
    if (sync !== publishing) return
    const publication = publicationOf(rows, seq)
    sync = published(publishing, endOfBatch(publication))
    unrecorded.push({ publication, at: platform.now() })
    recording ??= recordAll()
    const firstSeq = unrecorded[0]?.publication.firstSeq ?? publication.firstSeq
    if (publication.lastSeq - firstSeq + 1 > UNRECORDED_MAX - BATCH) await recording
  }

  /** Never rejects: when it fails, what is in the stream is looked at again, and recorded then. */
  async function recordAll(): Promise<void> {
    try {
      while (unrecorded.length > 0) {
        let batch: typeof unrecorded = []
        await write(
          async (tx) => {
            await tx.lease.assertHeld()
            batch = unrecorded.slice()
            for (const { publication, at } of batch) await tx.outbox.published(publication, at)
          },
          { patienceMs: RECORD_PATIENCE_MS },
        )
        unrecorded = unrecorded.slice(batch.length)
      }
    } catch (error) {
      const level = isStorageError(error) || error instanceof LeaseLost ? 'debug' : 'warn'
      logger[level](
        { err: error, stream: stream.name },
        'publications were not recorded; the stream is looked at again',
      )
      unrecorded = []
      doubt()
      duty.wake()
    } finally {
      recording = undefined
    }
  }

  function publicationOf(rows: readonly OutboxRow[], seqBefore: number): Publication {
    const first = rows[0]
    const last = rows.at(-1)
    ok(first && last, 'a publication of no rows')
    const publication: Publication = {
      firstId: first.id,
      lastId: last.id,
      lastEventId: last.eventId,
      firstSeq: seqBefore + 1,
      lastSeq: seqBefore + rows.length,
    }
    ok(publication.lastId - publication.firstId + 1 >= rows.length, 'a publication of rows that are not in order')
    return publication
  }

  /**
   * Finds out what is in the stream, making it anew when it is not what was published.
   * @param first whether the stream has to be given the limits that are configured now
   */
  async function compare(first: boolean, signal: AbortSignal): Promise<Position | undefined> {
    const state = await broker.stream(stream.name, await outbox.incarnation())
    // Looked at again with every poll: it may go away.
    if (state === 'foreign') {
      foreignSeen = true
      return undefined
    }
    if (!state) return rebuild('it does not exist', signal)
    const known = (await outbox.incarnation()) === state.incarnation
    if (!known && state.lastSeq > 0) return rebuild('it is not the one that was published to', signal)
    if (first) await broker.updateStream(stream)
    // Empty: made by a relay that died before it recorded that, or before its first publish.
    if (!known) return begin(state.incarnation)
    const recorded = await outbox.lastPublication()
    const from = { id: recorded?.lastId ?? 0, seq: recorded?.lastSeq ?? 0 }
    if (recorded && !(await isThere(recorded))) {
      return rebuild(`its message ${recorded.lastSeq} is not the one published there`, signal)
    }
    // It has grown since it was looked at, by another holder of the lease: it is looked at again.
    if (state.lastSeq < from.seq) return undefined
    // Purged by somebody, or by a late purge of the life before: the durables count as read what nobody has read.
    if (state.firstSeq > ((await outbox.oldestSeq()) ?? state.firstSeq))
      return rebuild('its oldest messages are gone', signal)
    await durables.mend(await durables.states(), state.lastSeq, fence)
    if (state.lastSeq === from.seq) return from
    return (await adopt(from, state.lastSeq)) ?? rebuild('its newest messages are not from this outbox', signal)
  }

  const isThere = async ({ lastId, lastEventId, lastSeq }: Publication) =>
    (await broker.messageId(stream.name, lastSeq)) === messageId({ id: lastId, eventId: lastEventId })

  /**
   * Records what is in the stream beyond the records: a crash, or a failure, fell between publish and record. Each of
   * these messages is looked at: when a stranger wrote to the stream, some of a pipelined batch may have been refused and
   * later ones, whose expected sequence had become true, taken.
   */
  async function adopt(from: Position, lastSeq: number): Promise<Position | undefined> {
    const count = lastSeq - from.seq
    const rows = count > 0 && count <= UNRECORDED_MAX ? await outbox.take(from.id, count) : []
    if (rows.length === 0 || rows.length !== count) return undefined
    const stored = await Promise.all(rows.map((_, i) => broker.messageId(stream.name, from.seq + 1 + i)))
    if (rows.some((row, i) => stored[i] !== messageId(row))) return undefined
    const publication = publicationOf(rows, from.seq)
    await write(async (tx) => {
      await tx.lease.assertHeld()
      await tx.outbox.published(publication, platform.now())
    })
    logger.info({ stream: stream.name, rows: count }, 'adopted publications that a crash kept from being recorded')
    return endOfBatch(publication)
  }

  async function rebuild(why: string, signal: AbortSignal): Promise<Position | undefined> {
    logger.info({ stream: stream.name, why }, 'making the stream anew; everything retained is published again')
    await write((tx) => tx.lease.assertHeld())
    await broker.deleteStream(stream.name)
    if (foreignSeen || (await outbox.incarnation()) !== undefined) await platform.sleep(DELETION_PAUSE_MS, signal)
    if (signal.aborted) return undefined
    const state = await broker.createStream(stream)
    foreignSeen = false
    return begin(state.incarnation)
  }

  async function begin(incarnation: string): Promise<Position> {
    await write(async (tx) => {
      await tx.lease.assertHeld()
      await tx.outbox.restart(incarnation)
    })
    await durables.create()
    return { id: 0, seq: 0 }
  }

  return {
    ...duty,
    async stop() {
      await duty.stop()
      await recording
    },
    inSync: () => endOf(sync) !== undefined && broker.connected,
    async isReadable() {
      const recorded = await outbox.lastPublication()
      return !recorded || isThere(recorded)
    },
    resync() {
      doubt()
      duty.wake()
    },
  }
}
