/**
 * The retention of a stream and of its owner's outbox.
 *
 * An outbox row is deleted, and the stream purged up to it, only when every durable of the stream has an ack floor
 * past it in this incarnation, nobody is in arrears with it, and ten minutes, by the file's age, have passed since its
 * publication. So as long as a row is kept, the stream can be made anew from the outbox, and afterwards nobody needs it
 * any more.
 */
import { keptAge, retentionStep } from './clean-up.ts'
import type { OwnStream } from './own-stream.ts'

/** How long a published and acknowledged event is kept; also how long the inbox remembers. */
export const RETENTION_MS = 10 * 60 * 1000
/** Rows per transaction, so that cleaning up never holds a request back for long. */
export const RETIRE_BATCH = 1_000

export function createRetention(
  options: Pick<OwnStream, 'stream' | 'outbox' | 'write' | 'broker'> & { retentionMs: number },
) {
  const { stream, outbox, write, broker, retentionMs } = options
  const retiredAge = keptAge(retentionMs, retentionStep(retentionMs))
  /** What was purged last: a purge that failed, or that a crash prevented, is made up for. */
  let purged = ''

  return {
    /**
     * Deletes up to a batch of what is old enough. Returns whether there may be more.
     * @param floor every durable of this incarnation has acknowledged everything up to it
     */
    async retire(incarnation: string, floor: number): Promise<boolean> {
      const newest = await outbox.newestRetirable(floor, retiredAge, RETIRE_BATCH)
      if (!newest) return false
      const deleted = await write(async (tx) => {
        await tx.lease.assertHeld()
        if (!(await tx.outbox.isOf(incarnation))) return undefined
        await tx.outbox.purging(newest.lastSeq)
        const owed = (await tx.outbox.arrears.oldestId()) ?? Number.POSITIVE_INFINITY
        return await tx.outbox.retire(Math.min(newest.lastId, owed - 1), RETIRE_BATCH)
      })
      if (deleted === RETIRE_BATCH) return true
      const upTo = `${incarnation} ${newest.lastSeq}`
      if (deleted === undefined || upTo === purged || (await outbox.incarnation()) !== incarnation) return false
      // Keeps the message at lastSeq itself: the relay may need it to recognise its stream.
      await broker.purge(stream.name, newest.lastSeq)
      purged = upTo
      return false
    },
  }
}
