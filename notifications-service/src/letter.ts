/** The letter as the API shows it. */
import type { Letter } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { LetterRow } from './store/port.ts'

type Shown = Pick<
  LetterRow,
  'seq' | 'id' | 'userId' | 'kind' | 'orderId' | 'to' | 'subject' | 'body' | 'mail' | 'createdAt' | 'sentAt'
>

export const toLetter = (row: Shown): Letter => ({
  seq: row.seq,
  id: row.id,
  userId: row.userId,
  kind: row.kind,
  orderId: row.orderId,
  to: row.to,
  subject: row.subject,
  body: row.body,
  mail: row.mail,
  createdAt: rfc3339(row.createdAt),
  sentAt: row.sentAt === null ? null : rfc3339(row.sentAt),
})
