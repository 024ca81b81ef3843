/**
 * What the laws look at: the books of one order, and of one user. They come from the files (files.ts) or from the API
 * (api.ts), which shows less. What is not shown is undefined, and no law says anything about it; what is shown and
 * empty does not exist.
 */
import type { LedgerEntry, Letter, Order } from '@checkout/contracts/http.ts'

export type OrderRow = Pick<Order, 'id' | 'userId' | 'amount' | 'status' | 'failureReason'>

export interface Decision {
  orderId: string
  userId: string
  amount: number
  outcome: 'paid' | 'declined'
  reason: string | null
  /** Id of the ledger entry that is its debit. */
  transactionId: string | null
}

export interface Entry extends Pick<LedgerEntry, 'id' | 'kind' | 'amount' | 'balanceAfter' | 'orderId'> {
  userId: string
  /** Its place in the account's ledger, from 1 on. */
  number?: number
}

export type LetterRow = Pick<Letter, 'seq' | 'userId' | 'kind' | 'orderId' | 'to'>

/** An event that tells how an order ended. One that was appended to the outbox twice has the same id twice. */
export interface Announcement {
  orderId: string
  type: string
  eventId: string
}

export interface OrderBooks {
  id: string
  orders?: readonly OrderRow[] | undefined
  decisions?: readonly Decision[] | undefined
  debits?: readonly Entry[] | undefined
  letters?: readonly LetterRow[] | undefined
  announcements?: readonly Announcement[] | undefined
}

export interface Account {
  userId: string
  balance: number
  /** How many entries it counts. */
  entries?: number
}

export interface AccountBooks {
  userId: string
  /** null when there is none. */
  account: Account | null
  /** Oldest first. Walked through once, so that an account's ledger need not fit into memory. */
  entries: Iterable<Entry>
}

export interface MailboxBooks {
  userId: string
  /** Its own number of the newest letter; 0 when there is no mailbox. */
  lastSeq?: number
  /** The user's address; null when it is not known yet. */
  address?: string | null
  /** Oldest first. Walked through once. */
  letters: Iterable<LetterRow>
}

export interface UserBooks {
  id: string
  /** null when nobody has registered under this id. */
  email: string | null
  account?: Account | null | undefined
  contact?: { email: string } | null | undefined
}

/** Sums over all accounts. They may be larger than a number can tell exactly. */
export interface Money {
  deposits: bigint
  withdrawals: bigint
  debits: bigint
  balances: bigint
}
