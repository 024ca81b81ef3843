/** A dead letter's second chance, asked for by a person. */
import { Problem } from '@checkout/kernel/problem.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import { type Handling, storedMessage } from './handling.ts'
import type { DeadLetterRow, MessagingTx } from './port.ts'

/**
 * Handles a dead letter again, now; in the transaction of its effect it is gone.
 * @throws Problem replay_failed when it failed again, with the reason (it stays as it is); dead_letter_not_found when another
 * replay was first; the store's trouble
 */
export async function replay<Tx extends MessagingTx>(handling: Handling<Tx>, row: DeadLetterRow): Promise<void> {
  try {
    await handling.handle(storedMessage(row), { streamSeq: 0, deliveries: row.attempts + 1 }, async (tx) => {
      // Two replays at once: the second finds it gone, and the handler's own keys make its effect single anyway.
      if (!(await tx.deadLetters.remove(row.id))) throw new Problem('dead_letter_not_found')
      return true
    })
  } catch (error) {
    if (error instanceof Problem || isStorageError(error)) throw error
    throw new Problem('replay_failed', { detail: `It failed again: ${(error as Error).message}` })
  }
}
