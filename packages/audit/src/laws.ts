/**
 * The laws of the books, the only place where they stand: what must hold for each order, each account, each mailbox and
 * each user. Pure functions, each over the books of one; they return what is wrong with it, nothing when all is right.
 *
 * An order under way breaks no law: whether everything has got to its end is for those to ask who wait for it.
 */
import type { AccountBooks, Entry, MailboxBooks, Money, OrderBooks, OrderRow, UserBooks } from './books.ts'

export interface Mistake {
  /** Which law is broken. */
  law: string
  /** The order or the user that it is broken for. */
  of: string
  /** What is there instead, where the law's name does not say it. */
  detail?: string
}

/** One line for people. */
export const sentence = ({ law, of, detail }: Mistake) => `${law}: ${of}${detail === undefined ? '' : ` (${detail})`}`

/** The mistakes of one order or one user: each law is named once, with the first detail. */
function newFindings(of: string) {
  const mistakes = new Map<string, Mistake>()
  return {
    must(holds: boolean, law: string, detail?: string) {
      if (!holds && !mistakes.has(law)) mistakes.set(law, detail === undefined ? { law, of } : { law, of, detail })
    },
    all: () => [...mistakes.values()],
  }
}

/** The signed amount: what an entry does to the balance. */
const change = (entry: Entry) => (entry.kind === 'deposit' ? entry.amount : -entry.amount)

/** One order: placed, decided, debited, announced and told in a letter once, and everywhere the same. */
export function checkOrder(books: OrderBooks): Mistake[] {
  const { id, orders, decisions = [], debits = [], letters = [], announcements = [] } = books
  const { must, all } = newFindings(id)
  must(decisions.length <= 1, 'order decided more than once')
  must(debits.length <= 1, 'order debited more than once')
  if (books.decisions && books.debits) {
    const [decision] = decisions
    const [debit] = debits
    must(
      (decision?.outcome === 'paid') === (debit !== undefined),
      'order decided as paid without its debit, or debited without such a decision',
    )
    if (decision && debit) must(decision.transactionId === debit.id, 'decision that names another debit')
  }
  const [order] = orders ?? []
  if (order) return [...all(), ...checkPlaced(order, books)]
  if (orders) {
    must(debits.length === 0, 'order debited that does not exist: money to give back')
    must(decisions.length === 0, 'order decided that does not exist')
    must(letters.length === 0, 'letter about an order that does not exist')
    must(announcements.length === 0, 'order announced that does not exist')
  }
  return all()
}

/** What must agree with the order as it was placed and as it ended. */
function checkPlaced(order: OrderRow, { orders, decisions, debits, letters, announcements }: OrderBooks): Mistake[] {
  const { id, status, failureReason } = order
  const { must, all } = newFindings(id)
  const atEnd = status !== 'pending'
  const same = (other: { userId: string; amount: number }) =>
    other.userId === order.userId && other.amount === order.amount
  const itself = `${order.amount} of ${order.userId}`

  must(orders?.length === 1, 'order that is there more than once')
  must((status === 'failed') === (failureReason !== null), 'order failed without a reason, or with one and not failed')
  if (decisions) {
    must(!atEnd || decisions.length > 0, 'order at its end without a decision')
    for (const decision of decisions) {
      const { outcome, reason } = decision
      must(
        status === (outcome === 'paid' ? 'paid' : 'failed') && reason === failureReason,
        'order that did not end as it was decided',
        `${status}, decided ${reason ?? outcome}`,
      )
      must(
        same(decision),
        'order decided otherwise than it was placed: another user or amount',
        `${itself}, decided ${decision.amount} of ${decision.userId}`,
      )
    }
  }
  if (debits) {
    must(status !== 'paid' || debits.length > 0, 'order paid that was never debited')
    must(status !== 'failed' || debits.length === 0, 'order failed that was debited')
    for (const debit of debits) {
      must(
        same(debit),
        'order debited otherwise than it was placed: another user or amount',
        `${itself}, debited ${debit.amount} of ${debit.userId}`,
      )
    }
  }
  if (letters) {
    must(!atEnd || letters.length > 0, 'order at its end without its letter')
    must(letters.length <= 1, 'order with more than one letter')
    for (const { kind, userId } of letters) {
      must(
        kind === `order_${status}` && userId === order.userId,
        'letter that says otherwise than its order',
        `${status}, of ${order.userId}; ${kind} to ${userId}`,
      )
    }
  }
  if (announcements) {
    const events = new Map(announcements.map(({ eventId, type }) => [eventId, type]))
    must(!atEnd || events.size > 0, 'order at its end that was never announced')
    must(events.size <= 1, 'order announced more than once', [...events.values()].join(', '))
    for (const type of events.values()) {
      must(type === `orders.${status}.v1`, 'order announced otherwise than it ended', `${status}, ${type}`)
    }
  }
  return all()
}

/**
 * One account: its ledger is numbered 1, 2, 3, …, each entry adds up and none goes below zero; the balance is what the
 * last one says and the sum of all. Of a ledger that is wrong in many places the first is named.
 */
export function checkAccount({ userId, account, entries }: AccountBooks): Mistake[] {
  const { must, all } = newFindings(userId)
  let count = 0
  let sum = 0
  let last = 0
  for (const entry of entries) {
    count += 1
    sum += change(entry)
    must(
      entry.number === undefined || entry.number === count,
      'ledger with a gap',
      `${entry.number} after ${count - 1}`,
    )
    must(
      entry.balanceAfter === last + change(entry),
      'ledger with an entry that does not add up',
      `entry ${count} says ${entry.balanceAfter}, not ${last + change(entry)}`,
    )
    must(entry.balanceAfter >= 0 && sum >= 0, 'account that was below zero', `entry ${count}: ${sum}`)
    must(
      (entry.kind === 'debit') === (entry.orderId !== null),
      'debit without an order, or an order with a deposit or withdrawal',
      `entry ${count}`,
    )
    last = entry.balanceAfter
  }
  if (account === null) {
    must(count === 0, 'entries without an account')
    return all()
  }
  const { balance, entries: counted } = account
  must(balance === sum, 'account whose balance is not the sum of its entries', `${balance}, not ${sum}`)
  must(balance === last, 'account whose balance is not what its last entry says', `${balance}, not ${last}`)
  must(counted === undefined || counted === count, 'account that miscounts its entries', `${counted}, not ${count}`)
  return all()
}

/** One mailbox: letters numbered 1, 2, 3, … up to the number that it keeps, to the user's address, each about something. */
export function checkMailbox({ userId, lastSeq, address, letters }: MailboxBooks): Mistake[] {
  const { must, all } = newFindings(userId)
  let count = 0
  for (const { seq, to, kind, orderId } of letters) {
    count += 1
    must(seq === count, 'letters with a gap in their numbers', `${seq} after ${count - 1}`)
    must(address === undefined || to === address, 'letter that is not addressed to its user', `letter ${seq}: ${to}`)
    must((kind === 'message') === (orderId === null), 'letter about no order, or message about one', `letter ${seq}`)
  }
  must(lastSeq === undefined || lastSeq === count, 'mailbox that miscounts its letters', `${lastSeq}, not ${count}`)
  return all()
}

/** One user: whoever has registered has an account and a contact with the same address. */
export function checkUser({ id, email, account, contact }: UserBooks): Mistake[] {
  const { must, all } = newFindings(id)
  if (email === null) return []
  must(account !== null, 'user without an account')
  must(contact !== null, 'user without a contact')
  if (contact) must(contact.email === email, 'contact with another address than its user', contact.email)
  return all()
}

export const noMoney = (): Money => ({ deposits: 0n, withdrawals: 0n, debits: 0n, balances: 0n })

/** All accounts together: money comes in by deposits and goes out by withdrawals and debits, and nowhere else. */
export function checkMoney({ deposits, withdrawals, debits, balances }: Money): Mistake[] {
  const { must, all } = newFindings('all accounts')
  const left = deposits - withdrawals - debits
  must(
    balances === left,
    'money made or lost: deposits − withdrawals − debits ≠ balances',
    `${deposits} − ${withdrawals} − ${debits} = ${left}, not ${balances}`,
  )
  return all()
}
