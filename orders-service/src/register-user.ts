/** The user and the event that opens the account and stores the contact, in one transaction. */
import type { User } from '@checkout/contracts/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { OrdersTx } from './store/port.ts'

export interface Registration {
  id: string
  name: string
  email: string
  traceparent: string | undefined
}

/** @throws Problem user_exists */
export async function registerUser(
  tx: OrdersTx,
  { id, name, email, traceparent }: Registration,
  platform: Platform,
): Promise<User> {
  const createdAt = platform.now()
  if (!(await tx.users.add({ id, name, email, createdAt }))) throw new Problem('user_exists')
  await tx.outbox.append('users.registered.v1', { userId: id, name, email }, { correlationId: id, traceparent })
  return { id, name, email, createdAt: rfc3339(createdAt) }
}
