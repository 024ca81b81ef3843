/** The store's port of notifications-service: what a transaction can do and what can be read, whatever the engine. */
import type { LetterKind, MailState } from '@checkout/contracts/http.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import type { DeploymentWrites, Store } from '@checkout/store/port.ts'

export type NotificationsStore = Store<NotificationsTx, NotificationsReads>

export interface NotificationsTx extends MessagingTx {
  readonly deployment: DeploymentWrites
  readonly contacts: ContactWrites
  readonly letters: LetterWrites
}

export interface NotificationsReads extends MessagingReads {
  readonly letters: LetterReads
}

export interface ContactRow {
  readonly userId: string
  readonly name: string
  readonly email: string
  readonly createdAt: number
}

export interface ContactWrites {
  /** Nothing when the user's is known already. */
  add(contact: ContactRow): Promise<void>
  find(userId: string): Promise<ContactRow | undefined>
}

export interface LetterRow {
  readonly userId: string
  /** Counts the user's letters from 1, without gaps. */
  readonly seq: number
  readonly id: string
  readonly kind: LetterKind
  readonly orderId: string | null
  readonly to: string | null
  readonly subject: string
  readonly body: string
  readonly mail: MailState
  readonly mailAttempts: number
  /** The store's age `schedule` at which it is mailed. */
  readonly mailDueAt: number
  readonly createdAt: number
  readonly sentAt: number | null
  /** The event that it tells of, as it arrived: id, place in the stream, delivery, time. Only for the journey. */
  readonly causeEventId: string | null
  readonly causeSeq: number | null
  readonly causeDeliveries: number | null
  readonly causeReceivedAt: number | null
  /** The order whose outcome it tells: the key of joy and sorrow. */
  readonly outcomeOf: string | null
}

export type LetterKey = Pick<LetterRow, 'userId' | 'seq'>
export type NewLetterRow = Omit<LetterRow, 'seq' | 'mailAttempts' | 'mailDueAt' | 'sentAt' | 'outcomeOf'>

export interface LetterWrites {
  /** The letter that tells how this order ended, if it was written before. */
  outcome(orderId: string): Promise<Pick<LetterRow, 'userId' | 'kind' | 'causeEventId'> | undefined>
  /** Writes the letter under the user's next number; returns that. */
  add(letter: NewLetterRow): Promise<number>
  /**
   * Fills in the address of up to `limit` letters that were written before it was known, oldest first, and notes the
   * user for `nextToAddress` as long as there may be more. Returns how many.
   */
  address(letter: { userId: string; to: string; mail: MailState }, limit: number): Promise<number>
  /** A user some of whose letters may still lack the known address. */
  nextToAddress(): Promise<string | undefined>
  /** Keeps a due letter from being mailed by anybody else until then. False when it is not due any more. */
  claim(letter: LetterKey, now: number, until: number): Promise<boolean>
  /** Also one that another holder of the lease has given up meanwhile: the mail is out. */
  sent(letter: LetterKey, sentAt: number): Promise<void>
  postponed(letter: LetterKey, mailDueAt: number): Promise<void>
  failed(letter: LetterKey): Promise<void>
}

export interface LetterReads {
  /** Newest first, before the number `before`. */
  list(userId: string, before: number, limit: number): Promise<LetterRow[]>
  /** Oldest first, after the number `seq`. */
  after(userId: string, seq: number, limit: number): Promise<LetterRow[]>
  /** The number of the user's newest letter; 0 when there is none. */
  lastSeq(userId: string): Promise<number>
  /** The letter about an order if it is this user's. */
  about(orderId: string, userId: string): Promise<LetterRow | undefined>
  /** Whether some letters still lack their user's known address. */
  addressing(): Promise<boolean>
  /** At which age of the store the first queued letter is to be mailed; undefined when none is queued. */
  nextMailAt(): Promise<number | undefined>
  /** Letters to be mailed at this age of the store, longest waiting first. */
  dueMail(now: number, limit: number): Promise<LetterRow[]>
}
