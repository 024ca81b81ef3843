/** The letter of joy or of sorrow, once per order, in one transaction with the inbox claim. */
import type { CloudEvent } from '@checkout/contracts/events.ts'
import type { Letter, LetterKind } from '@checkout/contracts/http.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Contradiction } from '@checkout/messaging/decode.ts'
import type { Arrival } from '@checkout/messaging/handling.ts'
import { toLetter } from './letter.ts'
import { failedLetter, paidLetter, type Text } from './letter-text.ts'
import type { NotificationsTx } from './store/port.ts'

export interface LetterTerms {
  platform: Platform
  /** Whether letters are mailed too (SMTP_URL is set). */
  mailing: boolean
}

type Result = CloudEvent<'orders.paid.v1'> | CloudEvent<'orders.failed.v1'>

/** @throws Contradiction when a letter has told another outcome of this order, or told it to somebody else */
export async function writeOrderLetter(
  tx: NotificationsTx,
  event: Result,
  arrival: Arrival,
  terms: LetterTerms,
): Promise<void> {
  const kind = event.type === 'orders.paid.v1' ? 'order_paid' : 'order_failed'
  const { orderId, userId } = event.data
  if (!(await tx.inbox.claim(event.id))) return
  const told = await tx.letters.outcome(orderId)
  if (told && (told.kind !== kind || told.userId !== userId)) {
    throw new Contradiction(
      `order ${orderId}: a letter has told ${told.userId} ${told.kind} by event ${told.causeEventId}; event ${event.id} says ${kind} to ${userId}`,
    )
  }
  if (told) return
  const name = (await tx.contacts.find(userId))?.name
  const text = event.type === 'orders.paid.v1' ? paidLetter(event.data, name) : failedLetter(event.data, name)
  await store(tx, { userId, kind, orderId, text }, terms, {
    causeEventId: event.id,
    causeSeq: arrival.streamSeq,
    causeDeliveries: arrival.deliveries,
    causeReceivedAt: arrival.receivedAt,
  })
}

/** A message that the user asked for, to the user's own address. */
export function writeMessage(tx: NotificationsTx, userId: string, text: Text, terms: LetterTerms): Promise<Letter> {
  return store(tx, { userId, kind: 'message', orderId: null, text }, terms)
}

interface Content {
  userId: string
  kind: LetterKind
  orderId: string | null
  text: Text
}

const noCause = { causeEventId: null, causeSeq: null, causeDeliveries: null, causeReceivedAt: null }

async function store(
  tx: NotificationsTx,
  { userId, kind, orderId, text }: Content,
  { platform, mailing }: LetterTerms,
  cause: typeof noCause | { [K in keyof typeof noCause]: string | number } = noCause,
): Promise<Letter> {
  const to = (await tx.contacts.find(userId))?.email ?? null
  const mail = mailing && to !== null ? 'queued' : 'none'
  const letter = { userId, id: platform.newId(), kind, orderId, to, ...text, mail, createdAt: platform.now() } as const
  const seq = await tx.letters.add({ ...letter, ...(cause as typeof noCause) })
  return toLetter({ ...letter, seq, sentAt: null })
}
