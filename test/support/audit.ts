/**
 * The audit of a whole system: the laws of the books (packages/audit), and what the clients were told. It returns the
 * sentences to print, none when all is right. To be called when everything is settled.
 */
import { auditFiles } from '@checkout/audit/files.ts'
import { sentence } from '@checkout/audit/laws.ts'
import { type Books, type OrderRecord, readBooks } from './books.ts'

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

/** Everything that is wrong with the files of this folder, in sentences. */
export const audit = (dataDir: string, claims: Claims): string[] => [
  ...[...auditFiles(dataDir)].map(sentence),
  ...compareClaims(readBooks(dataDir), claims),
]

/** Everything in the books that is not as it was told, or not at its end. */
export function compareClaims(books: Books, claims: Claims): string[] {
  return [
    ...compareOrders(books, claims),
    ...compareMoves(books, claims),
    ...compareUsers(books, claims),
    ...books.deadLetters.map(({ consumer, event_key, error }) => `dead letter ${event_key} of ${consumer}: ${error}`),
  ]
}

/** Every order that got a 201 is there once, as it was asked for, and at its end; none is there that was refused. */
function compareOrders(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const orders = new Map(books.orders.map((order) => [order.id, order]))
  for (const [id, claim] of claims.orders) {
    const order = orders.get(id)
    if (!order) wrong.push(`order ${id} got a 201 and is lost`)
    else wrong.push(...compareOrder(order, claim))
  }
  for (const [description, same] of Map.groupBy(books.orders, (order) => order.description)) {
    if (same.length > 1) wrong.push(`order "${description}" exists ${same.length} times`)
  }
  for (const { id, status, description } of books.orders) {
    if (!claims.orders.has(id) && !claims.unclearOrders.has(description)) {
      wrong.push(`order ${id} "${description}" exists and was never accepted`)
    }
    if (status === 'pending') wrong.push(`order ${id} is pending`)
  }
  return wrong
}

function compareOrder(order: OrderRecord, claim: OrderClaim): string[] {
  const { id, status } = order
  const wrong: string[] = []
  if (order.user_id !== claim.userId || order.amount !== claim.amount || order.description !== claim.description) {
    wrong.push(`order ${id} is not what was asked for: ${JSON.stringify(order)}`)
  }
  if (claim.end && status !== claim.end) wrong.push(`order ${id} over ${claim.amount} is ${status}, not ${claim.end}`)
  return wrong
}

function compareMoves(books: Books, claims: Claims): string[] {
  const wrong: string[] = []
  const moves = new Map(books.moves.map((entry) => [entry.id, entry]))
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

function compareUsers(books: Books, claims: Claims): string[] {
  const users = new Map(books.users.map((user) => [user.id, user.email]))
  return [...claims.users]
    .filter(([id, email]) => users.get(id) !== email)
    .map(([id]) => `user ${id} got a 201 and is lost`)
}
