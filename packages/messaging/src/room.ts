/**
 * Room in the stream. A stream holds `maxBytes` at most and refuses what is more, so a subscription that stays down
 * would in time stop the others. Therefore, before it publishes, the relay sees to it that there is room: the oldest
 * messages give way. What every durable has acknowledged goes first; what one has not becomes its arrears, noted in the
 * file before it is purged. The outbox keeps those rows.
 *
 * The noting comes before the purge, and from floors that were read before it, because the server moves a durable's
 * acknowledgement floor over what is purged: afterwards nobody could tell what was read.
 */
import type { StreamState } from './broker.ts'
import type { OwnStream } from './own-stream.ts'
import type { OutboxRow } from './port.ts'

/** Shares of the stream's size: where room is made, how much is then left, what is worth a purge, what a batch may take. */
const SHORT = 3 / 4
const LEFT = 1 / 2
const WORTH = 1 / 8
const BATCH = 1 / 8
/** How long readers that are behind may make room themselves before it is made at their cost. */
const PATIENCE_MS = 1_000
/** Headers, subject and the store's own of a message, at most: with a system id of 64 characters and a traceparent. */
const OVERHEAD_BYTES = 480

export type Room = ReturnType<typeof createRoom>

export function createRoom({ stream, outbox, write, broker, durables, platform, logger }: OwnStream) {
  /** What the stream holds when its last sequence is `seq`, bytes; estimated upwards since it was last asked. */
  let known: { seq: number; bytes: number; maxBytes: number } | undefined
  let shortSince: number | undefined
  /** Durables for which nobody waits any more, until they have caught up. */
  const givenUp = new Set<string>()

  async function admit(rows: readonly OutboxRow[], afterSeq: number): Promise<readonly OutboxRow[]> {
    if (known?.seq !== afterSeq) known = undefined
    known ??= await look(afterSeq)
    const batch = fitting(rows, known.maxBytes)
    const share = ({ bytes, maxBytes }: { bytes: number; maxBytes: number }) => (bytes + batch.bytes) / maxBytes
    if (share(known) > SHORT) known = await look(afterSeq)
    else shortSince = undefined
    if (share(known) > SHORT) {
      await makeRoom(batch.bytes)
      known = await look(afterSeq)
      if (share(known) > 1) return []
    }
    known = { ...known, seq: afterSeq + batch.rows.length, bytes: known.bytes + batch.bytes }
    return batch.rows
  }

  async function look(seq: number) {
    const { bytes, maxBytes } = await existing()
    return { seq, bytes, maxBytes }
  }

  /** @throws when it is not as recorded: its durables then say nothing about what was read. */
  async function existing(): Promise<StreamState> {
    const state = await broker.stream(stream.name)
    if (!state || state === 'foreign' || state.incarnation !== (await outbox.incarnation()))
      throw new Error('the stream is not the one published to')
    if (state.firstSeq > ((await outbox.oldestSeq()) ?? state.firstSeq)) throw new Error('its oldest messages are gone')
    return state
  }

  async function makeRoom(needed: number): Promise<void> {
    const before = await existing()
    const states = await durables.states()
    await existing()
    if (states.some((state) => !state)) return // the upkeep makes it anew, and it wants to read what is there
    const { firstSeq, lastSeq, bytes, maxBytes } = before
    const average = bytes / Math.max(1, lastSeq - firstSeq + 1)
    // The last recorded message stays: the relay recognises its stream by it.
    const newest = (await outbox.lastPublication())?.lastSeq ?? firstSeq
    const target = Math.min(firstSeq + Math.ceil((bytes + needed - maxBytes * LEFT) / average), newest)
    const readers = durables.subscriptions.map(({ durable }, i) => {
      const state = states[i]
      const done = !state || (state.pending === 0 && state.ackPending === 0)
      return { durable, unread: done ? lastSeq + 1 : Math.max(state.ackFloor + 1, firstSeq) }
    })
    for (const { durable, unread } of readers) if (unread >= target) givenUp.delete(durable)

    let upTo = Math.min(target, ...readers.filter(({ durable }) => !givenUp.has(durable)).map(({ unread }) => unread))
    if ((upTo - firstSeq) * average < Math.min(maxBytes * WORTH, (target - firstSeq) * average)) {
      shortSince ??= platform.monotonic()
      if (platform.monotonic() - shortSince < PATIENCE_MS) return
      for (const { durable, unread } of readers) if (unread < target) givenUp.add(durable)
      upTo = target
    }
    shortSince = undefined
    if (upTo > firstSeq) await purge(before.incarnation, readers, upTo)
  }

  /** Purges what is before `upTo`, having noted what of that each durable has not read. */
  async function purge(
    incarnation: string,
    readers: readonly { durable: string; unread: number }[],
    upTo: number,
  ): Promise<void> {
    const behind = readers.filter(({ unread }) => unread < upTo)
    const toId = await outbox.idAt(upTo - 1)
    // A row that is retired already was acknowledged by all.
    const oldestId = (await outbox.take(0, 1))[0]?.id ?? 0
    const fromIds = await Promise.all(behind.map(async ({ unread }) => (await outbox.idAt(unread)) ?? oldestId))
    const inArrears = new Set((await outbox.arrears.spans()).map(({ durable }) => durable))
    await write(async (tx) => {
      await tx.lease.assertHeld()
      if (!(await tx.outbox.isOf(incarnation))) throw new Error('the stream was made anew meanwhile')
      for (const [i, { durable }] of behind.entries()) {
        if (toId !== undefined) await tx.outbox.arrears.note({ durable, fromId: fromIds[i] ?? oldestId, toId })
      }
      await tx.outbox.purging(upTo)
    })
    for (const { durable } of behind) {
      if (inArrears.has(durable)) continue
      logger.warn(
        { stream: stream.name, durable },
        'the stream makes room: a subscription is in arrears, kept in the outbox',
      )
    }
    await broker.purge(stream.name, upTo)
  }

  return {
    /**
     * The first of these rows that may be published now behind the sequence `afterSeq`; none while the stream is full
     * and readers that are behind have a moment left.
     */
    admit,
  }
}

function fitting(rows: readonly OutboxRow[], maxBytes: number): { rows: readonly OutboxRow[]; bytes: number } {
  let bytes = 0
  let count = 0
  for (const row of rows) {
    const size = Buffer.byteLength(row.event) + OVERHEAD_BYTES
    if (count > 0 && bytes + size > maxBytes * BATCH) break
    bytes += size
    count += 1
  }
  return { rows: count === rows.length ? rows : rows.slice(0, count), bytes }
}
