/** What accounts and ledger entries look like from outside: pure. */
import type { Account, LedgerEntry } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { AccountRow, TransactionRow } from './store/port.ts'

export const toAccount = ({ userId, balance, currency, createdAt }: Omit<AccountRow, 'entries'>): Account => ({
  userId,
  balance,
  currency,
  createdAt: rfc3339(createdAt),
})

export const toEntry = ({ id, kind, amount, balanceAfter, orderId, createdAt }: TransactionRow): LedgerEntry => ({
  id,
  kind,
  amount,
  balanceAfter,
  orderId,
  createdAt: rfc3339(createdAt),
})
