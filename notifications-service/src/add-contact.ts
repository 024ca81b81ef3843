/** A user registered: the address is kept, and filled in where a letter came before it (without another push). */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { NotificationsTx } from './store/index.ts'
import type { LetterTerms } from './write-letter.ts'

export function addContact(
  tx: NotificationsTx,
  event: CloudEvent<'users.registered.v1'>,
  { clock, mailing }: LetterTerms,
): void {
  if (!tx.inbox.claim(event.id)) return
  const { userId, name, email } = event.data
  tx.contacts.add({ userId, name, email, createdAt: clock.now() })
  tx.letters.address({ userId, to: email, mail: mailing ? 'queued' : 'none' })
}
