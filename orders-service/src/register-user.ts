/** The user and the event that opens the account and stores the contact, in one transaction. */
import type { User } from '@checkout/contracts/http.ts'
import { type Clock, rfc3339 } from '@checkout/service/clock.ts'
import { Problem } from '@checkout/service/problem.ts'
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
  clock: Clock,
): Promise<User> {
  const createdAt = clock.now()
  if (!(await tx.users.add({ id, name, email, createdAt }))) throw new Problem('user_exists')
  await tx.outbox.append('users.registered.v1', { userId: id, name, email }, { correlationId: id, traceparent })
  return { id, name, email, createdAt: rfc3339(createdAt) }
}
