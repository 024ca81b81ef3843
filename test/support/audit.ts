/**
 * The audit: whether what is stored keeps every promise made to the users, as a pure function. It returns the
 * sentences to print, none when all is right. Its own test plants mistakes and sees each of them named.
 */
import type { Books, DecisionRecord, EntryRecord, LetterRecord, OrderRecord } from './books.ts'

/** An order that got a 201, and how it must end if that is known. */
export interface OrderClaim {
  userId: string
  amount: number
  description: string
  end?: 'paid' | 'failed'
}

/** What the clients were told: what the books must agree with. */
export interface Claims {
  /** By order id. */
  orders: Map<string, OrderClaim>
  /** Descriptions of orders whose requests got no clear answer: each may exist once. */
  unclearOrders: Set<string>
  /** Email by user id. */
  users: Map<string, string>
  /** Deposits and withdrawals that got a 201, by the id of the entry. */
  moves: Map<string, { userId: string; kind: string; amount: number; balanceAfter: number }>
  /** How many deposits and withdrawals got no clear answer. */
  unclearMoves: number
}

export const newClaims = (): Claims => ({
  orders: new Map(),
  unclearOrders: new Set(),
  users: new Map(),
  moves: new Map(),
  unclearMoves: 0,
})

/** Everything that is wrong, in sentences. To be called when everything is settled. */
export function audit(books: Books, claims: Claims): string[] {
  return [
    ...auditOrders(books, claims),
    ...auditDecisions(books),
    ...auditLedger(books, claims),
    ...auditLetters(books),
    ...auditUsers(books, claims),
    ...books.deadLetters.map(({ consumer, event_key, error }) => `dead letter ${event_key} of ${consumer}: ${error}`),
  ]
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}

/** Every order that got a 201 is there once, as it was asked for, and at its end; none is there that was refused. */
function auditOrders(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const orders = new Map(books.orders.map((order) => [order.id, order]))
  const ends = groupBy(books.ends, (end) => end.order_id)
  for (const [id, claim] of claims.orders) {
    const order = orders.get(id)
    if (!order) wrong.push(`order ${id} got a 201 and is lost`)
    else wrong.push(...compareClaim(order, claim))
  }
  for (const [description, same] of groupBy(books.orders, (order) => order.description)) {
    if (same.length > 1) wrong.push(`order "${description}" exists ${same.length} times`)
  }
  for (const { id, status, description, failure_reason: reason } of books.orders) {
    if (!claims.orders.has(id) && !claims.unclearOrders.has(description)) {
      wrong.push(`order ${id} "${description}" exists and was never accepted`)
    }
    if (status !== 'paid' && status !== 'failed') wrong.push(`order ${id} is ${status}`)
    if ((status === 'failed') !== (reason !== null)) wrong.push(`order ${id} is ${status} for the reason ${reason}`)
    const told = (ends.get(id) ?? []).map((end) => `${end.times} × ${end.type}`).join(', ')
    if (told !== `1 × orders.${status}.v1`) wrong.push(`order ${id} is ${status} and announced ${told || 'nothing'}`)
  }
  return wrong
}

function compareClaim(order: OrderRecord, claim: OrderClaim): string[] {
  const { id, status } = order
  const wrong: string[] = []
  if (order.user_id !== claim.userId || order.amount !== claim.amount || order.description !== claim.description) {
    wrong.push(`order ${id} is not what was asked for: ${JSON.stringify(order)}`)
  }
  if (claim.end && status !== claim.end) wrong.push(`order ${id} over ${claim.amount} is ${status}, not ${claim.end}`)
  return wrong
}

/** One decision per order, equal to its status; a paid one has exactly one debit, of its amount; no other has any. */
function auditDecisions(books: Books): string[] {
  const wrong: string[] = []
  const decisions = groupBy(books.decisions, (decision) => decision.order_id)
  const debits = groupBy(
    books.entries.filter((entry) => entry.kind === 'debit'),
    (entry) => entry.order_id ?? 'none',
  )
  for (const order of books.orders) {
    wrong.push(...checkDecision(order, decisions.get(order.id) ?? [], debits.get(order.id) ?? []))
    decisions.delete(order.id)
    debits.delete(order.id)
  }
  for (const id of decisions.keys()) wrong.push(`there is a decision on order ${id}, which does not exist`)
  for (const id of debits.keys()) wrong.push(`there is a debit for order ${id}, which does not exist`)
  return wrong
}

function checkDecision(order: OrderRecord, decisions: DecisionRecord[], debits: EntryRecord[]): string[] {
  const wrong: string[] = []
  const [decision] = decisions
  if (decisions.length !== 1) wrong.push(`order ${order.id} has ${decisions.length} decisions`)
  const outcome = order.status === 'paid' ? 'paid' : 'declined'
  if (decision && (decision.outcome !== outcome || decision.reason !== order.failure_reason)) {
    wrong.push(`order ${order.id} is ${order.status}, its decision ${decision.outcome} ${decision.reason ?? ''}`)
  }
  const expected = decision?.outcome === 'paid' ? 1 : 0
  if (debits.length !== expected) wrong.push(`order ${order.id} has ${debits.length} debits, not ${expected}`)
  for (const debit of debits) {
    if (debit.amount !== order.amount || debit.user_id !== order.user_id) {
      wrong.push(`order ${order.id} over ${order.amount} of ${order.user_id}: ${debit.user_id} paid ${debit.amount}`)
    }
  }
  return wrong
}

/** Each account: numbers 1, 2, 3, …; each entry adds up and is never below zero; the last one is the balance. */
function auditLedger(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const ledgers = groupBy(books.entries, (entry) => entry.user_id)
  for (const { user_id: user, balance, entries } of books.accounts) {
    const ledger = ledgers.get(user) ?? []
    ledgers.delete(user)
    let sum = 0
    for (const [i, entry] of ledger.entries()) {
      sum += entry.kind === 'deposit' ? entry.amount : -entry.amount
      if (entry.number !== i + 1) wrong.push(`${user}: entry ${i + 1} has the number ${entry.number}`)
      if (entry.balance_after !== sum) wrong.push(`${user}: entry ${i + 1} says ${entry.balance_after}, not ${sum}`)
      if (sum < 0) wrong.push(`${user}: entry ${i + 1} takes the balance below zero: ${sum}`)
    }
    if (balance !== sum) wrong.push(`${user}: the balance is ${balance}, the entries sum up to ${sum}`)
    if (entries !== ledger.length) wrong.push(`${user}: the account counts ${entries} entries, not ${ledger.length}`)
  }
  for (const user of ledgers.keys()) wrong.push(`${user}: entries without an account`)
  return [...wrong, ...auditMoves(books, claims)]
}

function auditMoves(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const moves = new Map(books.entries.filter((e) => e.kind !== 'debit').map((entry) => [entry.id, entry]))
  for (const [id, claim] of claims.moves) {
    const entry = moves.get(id)
    moves.delete(id)
    if (!entry) wrong.push(`${claim.kind} ${id} of ${claim.userId} got a 201 and is lost`)
    else if (
      entry.user_id !== claim.userId ||
      entry.kind !== claim.kind ||
      entry.amount !== claim.amount ||
      entry.balance_after !== claim.balanceAfter
    ) {
      wrong.push(`${claim.kind} ${id} is not what was answered: ${JSON.stringify(entry)}`)
    }
  }
  if (moves.size > claims.unclearMoves) {
    wrong.push(`${moves.size} deposits and withdrawals exist unasked, at most ${claims.unclearMoves} may`)
  }
  return wrong
}

/** One letter per order, of the kind that its end asks for, to the user's address; numbered 1, 2, 3, … per user. */
function auditLetters(books: Books): string[] {
  const wrong: string[] = []
  const about = groupBy(
    books.letters.filter((letter) => letter.kind !== 'message'),
    (letter) => letter.order_id ?? 'none',
  )
  for (const order of books.orders) {
    const found = about.get(order.id) ?? []
    about.delete(order.id)
    const kinds = found.map((letter: LetterRecord) => letter.kind).join(', ')
    if (kinds !== `order_${order.status}`)
      wrong.push(`order ${order.id} is ${order.status}, letters: ${kinds || 'none'}`)
    for (const letter of found) {
      if (letter.user_id !== order.user_id) wrong.push(`the letter about order ${order.id} went to ${letter.user_id}`)
    }
  }
  for (const id of about.keys()) wrong.push(`there is a letter about order ${id}, which does not exist`)
  const lastSeq = new Map(books.mailboxes.map((box) => [box.user_id, box.last_seq]))
  const emails = new Map(books.contacts.map((contact) => [contact.user_id, contact.email]))
  for (const [user, letters] of groupBy(books.letters, (letter) => letter.user_id)) {
    const gapless = letters.every((letter, i) => letter.seq === i + 1) && lastSeq.get(user) === letters.length
    if (!gapless) wrong.push(`${user}: the letters' numbers have a gap`)
    const strayed = letters.filter((letter) => letter.to_address !== (emails.get(user) ?? null))
    if (strayed.length > 0) wrong.push(`${user}: ${strayed.length} letters are not addressed to the user`)
  }
  return wrong
}

/** Every registered user is there, with an account and a contact. */
function auditUsers(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const users = new Map(books.users.map((user) => [user.id, user.email]))
  const accounts = new Set(books.accounts.map((account) => account.user_id))
  const contacts = new Map(books.contacts.map((contact) => [contact.user_id, contact.email]))
  for (const [id, email] of claims.users) {
    if (users.get(id) !== email) wrong.push(`user ${id} got a 201 and is lost`)
  }
  for (const [id, email] of users) {
    if (!accounts.has(id)) wrong.push(`user ${id} has no account`)
    if (contacts.get(id) !== email) wrong.push(`user ${id} has no contact`)
  }
  return wrong
}
