/** What a letter says: pure text, in the user's words. */
import { currencyFormat, decimalOf } from '@checkout/contracts/currencies.ts'
import type { Letter } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import { rfc3339 } from '@checkout/service/rfc3339.ts'
import type { LetterRow } from './store/port.ts'

export interface OrderFacts {
  orderId: string
  amount: number
  currency: string
  description: string
}

export interface Text {
  subject: string
  body: string
}

/** The letter of joy. */
export function paidLetter(order: OrderFacts, name: string | undefined): Text {
  const amount = majorUnits(order.amount, order.currency)
  return {
    subject: 'Your order is paid',
    body: `${greeting(name)}

Good news: your order "${order.description}" is paid. We took ${amount} from your account.

Thank you for shopping with us!

Order number: ${order.orderId}`,
  }
}

/** The letter of sorrow. */
export function failedLetter(order: OrderFacts & { reason: FailureReason }, name: string | undefined): Text {
  const amount = majorUnits(order.amount, order.currency)
  return {
    subject: 'Your order could not be paid',
    body: `${greeting(name)}

We are sorry: your order "${order.description}" for ${amount} could not be paid. ${reasons[order.reason]} Nothing was taken from your account.

${advice[order.reason]}

Order number: ${order.orderId}`,
  }
}

const reasons: Readonly<Record<FailureReason, string>> = {
  insufficient_funds: 'There is not enough money on your account.',
  account_not_found: 'You do not have an account with us yet.',
}

const advice: Readonly<Record<FailureReason, string>> = {
  insufficient_funds: 'Please top up your account and place the order again.',
  account_not_found: 'Please open an account, top it up and place the order again.',
}

const greeting = (name: string | undefined): string => (name === undefined ? 'Hello,' : `Hello ${name},`)

const formats = new Map<string, Intl.NumberFormat>()

/** An amount as people write it: 149900 minor units of RUB are "RUB 1,499.00". Exact, without floats. */
export function majorUnits(amount: number, currency: string): string {
  let format = formats.get(currency)
  if (!format) {
    format = new Intl.NumberFormat('en', { ...currencyFormat(currency), currencyDisplay: 'code' })
    formats.set(currency, format)
  }
  const decimal = decimalOf(amount, currency)
  // Intl puts a no-break space after the code; in a plain-text letter an ordinary one is safer.
  return format.format(decimal as Intl.StringNumericLiteral).replace(/\u00a0/g, ' ')
}

/** The letter as the API shows it. */
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

type Shown = Pick<
  LetterRow,
  'seq' | 'id' | 'userId' | 'kind' | 'orderId' | 'to' | 'subject' | 'body' | 'mail' | 'createdAt' | 'sentAt'
>
