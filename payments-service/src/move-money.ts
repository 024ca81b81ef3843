/** Deposit and withdrawal: the balance and its ledger entry, in one transaction. */
import { ok } from 'node:assert'
import type { LedgerEntry } from '@checkout/contracts/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import type { Answer } from '@checkout/store/port.ts'
import { toEntry } from './account.ts'
import type { PaymentsTx } from './store/port.ts'

export interface Movement {
  kind: 'deposit' | 'withdrawal'
  userId: string
  amount: number
  idempotencyKey: string | undefined
}

/** @throws Problem account_not_found, balance_limit (deposit), insufficient_funds (withdrawal), idempotency_key_reused */
export function moveMoney(
  tx: PaymentsTx,
  { kind, userId, amount, idempotencyKey: key }: Movement,
  { platform }: { platform: Platform },
): Promise<Answer<LedgerEntry>> {
  return tx.idempotency.once({ userId, route: `POST ${kind}`, key, body: { amount } }, async () => {
    const moved = await (kind === 'deposit' ? tx.accounts.put(userId, amount) : tx.accounts.take(userId, amount))
    if (!moved) {
      if (!(await tx.accounts.exists(userId))) throw new Problem('account_not_found')
      throw new Problem(kind === 'deposit' ? 'balance_limit' : 'insufficient_funds')
    }
    const { balance: balanceAfter, number } = moved
    ok(kind === 'deposit' ? balanceAfter >= amount : balanceAfter >= 0, `a ${kind} left the balance ${balanceAfter}`)
    const entry = {
      id: platform.newId(),
      userId,
      number,
      kind,
      amount,
      balanceAfter,
      orderId: null,
      createdAt: platform.now(),
    }
    await tx.ledger.append(entry)
    return { status: 201, body: toEntry(entry) }
  })
}
