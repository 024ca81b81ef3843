/** A user registered: the address is kept, and filled in where a letter came before it (without another push). */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import { Contradiction } from '@checkout/messaging/decode.ts'
import type { NotificationsTx } from './store/port.ts'
import type { LetterTerms } from './write-letter.ts'

/** Letters per transaction: a user may have any number, and all requests wait for it. */
export const ADDRESS_BATCH = 500

/** @throws Contradiction when the user is known with another name or address; what they are stays out of the log */
export async function addContact(
  tx: NotificationsTx,
  event: CloudEvent<'users.registered.v1'>,
  terms: LetterTerms,
): Promise<void> {
  if (!(await tx.inbox.claim(event.id))) return
  const { userId, name, email } = event.data
  const known = await tx.contacts.find(userId)
  const differs = known && (known.name !== name ? 'name' : known.email !== email && 'address')
  if (differs) throw new Contradiction(`user ${userId} is known with another ${differs} than event ${event.id} has`)
  await tx.contacts.add({ userId, name, email, createdAt: terms.platform.now() })
  await address(tx, { userId, to: email }, ADDRESS_BATCH, terms)
}

/** Goes on where `addContact` had too many letters: at most `limit`. Returns how many it filled in. */
export async function addressMore(tx: NotificationsTx, limit: number, terms: LetterTerms): Promise<number> {
  const userId = await tx.letters.nextToAddress()
  const to = userId === undefined ? undefined : (await tx.contacts.find(userId))?.email
  return userId === undefined || to === undefined ? 0 : await address(tx, { userId, to }, limit, terms)
}

const address = (
  tx: NotificationsTx,
  letter: { userId: string; to: string },
  limit: number,
  { mailing }: LetterTerms,
): Promise<number> => tx.letters.address({ ...letter, mail: mailing ? 'queued' : 'none' }, limit)
