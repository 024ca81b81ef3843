/** Events in: subject → transaction. */
import type { Handlers } from '@checkout/messaging/handling.ts'
import { addContact } from './add-contact.ts'
import type { NotificationsTx } from './store/port.ts'
import { type LetterTerms, writeOrderLetter } from './write-letter.ts'

export const createHandlers = (terms: LetterTerms): Handlers<NotificationsTx> => ({
  'users.registered.v1': (tx, event) => addContact(tx, event, terms),
  'orders.paid.v1': (tx, event, arrival) => writeOrderLetter(tx, event, arrival, terms),
  'orders.failed.v1': (tx, event, arrival) => writeOrderLetter(tx, event, arrival, terms),
})
