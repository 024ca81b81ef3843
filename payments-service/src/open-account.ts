/** An account comes into being: asked for by the user, or because the user registered. At most one per user. */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { Account } from '@checkout/contracts/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { toAccount } from './account.ts'
import type { PaymentsTx } from './store/port.ts'

export interface AccountTerms {
  platform: Platform
  currency: string
}

/** @throws Problem account_exists */
export async function openAccount(
  tx: PaymentsTx,
  userId: string,
  { platform, currency }: AccountTerms,
): Promise<Account> {
  const createdAt = platform.now()
  if (!(await tx.accounts.open(userId, currency, createdAt))) throw new Problem('account_exists')
  return toAccount({ userId, balance: 0, currency, createdAt })
}

/** users.registered: an account that the user opened already is left alone. */
export async function openAccountOf(
  tx: PaymentsTx,
  event: CloudEvent<'users.registered.v1'>,
  terms: AccountTerms,
): Promise<void> {
  if (!(await tx.inbox.claim(event.id))) return
  await tx.accounts.open(event.data.userId, terms.currency, terms.platform.now())
}
