/** What a letter says: pure text, in the user's words. */
import type { FailureReason } from '@checkout/contracts/values.ts'
import { majorUnits } from './money.ts'

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
