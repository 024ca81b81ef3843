/** The store's port of payments-service: what a transaction can do and what can be read, whatever the engine. */
import type { EntryKind } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import type { DeploymentWrites, IdempotencyWrites, KeptAges, Store } from '@checkout/store/port.ts'

export type PaymentsStore = Store<PaymentsTx, PaymentsReads>

export interface PaymentsTx extends MessagingTx {
  readonly idempotency: IdempotencyWrites
  readonly deployment: DeploymentWrites
  readonly accounts: AccountWrites
  readonly ledger: LedgerWrites
  readonly decisions: DecisionWrites
}

export interface PaymentsReads extends MessagingReads {
  readonly idempotency: KeptAges
  readonly accounts: AccountReads
  readonly ledger: LedgerReads
  readonly decisions: DecisionReads
}

export interface AccountRow {
  readonly userId: string
  readonly balance: number
  /** How many entries its ledger has. */
  readonly entries: number
  readonly currency: string
  readonly createdAt: number
}

/** What an account is after one more entry. */
export interface Moved {
  readonly balance: number
  /** Number of the entry that belongs to this movement. */
  readonly number: number
}

export interface AccountWrites {
  /** Opens an empty account; false when the user has one. */
  open(userId: string, currency: string, createdAt: number): Promise<boolean>
  exists(userId: string): Promise<boolean>
  /** Takes the amount, or undefined when the account is missing or its balance too small. */
  take(userId: string, amount: number): Promise<Moved | undefined>
  /** Adds the amount, or undefined when the account is missing or would exceed the largest balance. */
  put(userId: string, amount: number): Promise<Moved | undefined>
}

export interface AccountReads {
  find(userId: string): Promise<AccountRow | undefined>
}

export interface TransactionRow {
  readonly id: string
  readonly userId: string
  /** Counts the account's entries from 1, without gaps. */
  readonly number: number
  readonly kind: EntryKind
  readonly amount: number
  readonly balanceAfter: number
  readonly orderId: string | null
  readonly createdAt: number
}

export interface LedgerWrites {
  append(entry: TransactionRow): Promise<void>
}

export interface LedgerReads {
  /** Newest first, before the entry number `before`. */
  list(userId: string, before: number, limit: number): Promise<TransactionRow[]>
  /** The debit of an order, if it was paid. */
  debitOf(orderId: string): Promise<TransactionRow | undefined>
}

export interface DecisionRow {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly outcome: 'paid' | 'declined'
  readonly reason: FailureReason | null
  readonly transactionId: string | null
  readonly decidedAt: number
  /** Of the event that announces it, also when it is sent again. */
  readonly eventId: string
  readonly emittedAt: number
  /** The order's event as it arrived: id, place in the stream, delivery, time. Only for the journey. */
  readonly causeEventId: string
  readonly causeSeq: number
  readonly causeDeliveries: number
  readonly causeReceivedAt: number
}

export interface DecisionWrites {
  find(orderId: string): Promise<DecisionRow | undefined>
  /** @throws when the order was decided before: the primary key is what makes a debit happen once. */
  add(decision: Omit<DecisionRow, 'emittedAt'>): Promise<void>
  emitted(orderId: string, now: number): Promise<void>
}

export interface DecisionReads {
  /** The decision on an order if it is this user's. */
  find(orderId: string, userId: string): Promise<DecisionRow | undefined>
}
