/**
 * The audit can fail: what differs from what the clients were told is named, and what agrees with it is passed. The laws
 * that it calls have a test of their own: packages/audit/test.
 */
import t from 'tap'
import { type Claims, compareClaims, newClaims } from '../support/audit.ts'
import type { Books } from '../support/books.ts'

/** Ada put 1,000 on her account, paid an order and could not afford another. */
function sound(): { books: Books; claims: Claims } {
  const claims = newClaims()
  claims.users.set('ada', 'ada@example.com')
  claims.moves.set('e1', { userId: 'ada', kind: 'deposit', amount: 1_000, balanceAfter: 1_000 })
  claims.orders.set('o1', { userId: 'ada', amount: 300, description: 'hat', end: 'paid' })
  claims.orders.set('o2', { userId: 'ada', amount: 5_000, description: 'boat', end: 'failed' })
  const books: Books = {
    users: [{ id: 'ada', email: 'ada@example.com' }],
    orders: [
      { user_id: 'ada', id: 'o1', amount: 300, description: 'hat', status: 'paid' },
      { user_id: 'ada', id: 'o2', amount: 5_000, description: 'boat', status: 'failed' },
    ],
    moves: [
      {
        user_id: 'ada',
        id: 'e1',
        number: 1,
        kind: 'deposit',
        amount: 1_000,
        balance_after: 1_000,
        order_id: null,
        created_at: 0,
      },
    ],
    deadLetters: [],
  }
  return { books, claims }
}

const first = <T>(items: T[]) => items[0] as T

/** What is wrong in it, and a word of the sentence that must say so. */
const mistakes: [string, RegExp, (books: Books, claims: Claims) => void][] = [
  ['a lost order', /o1 got a 201 and is lost/, (b) => b.orders.shift()],
  ['an order twice', /"hat" exists 2 times/, (b) => b.orders.push({ ...first(b.orders), id: 'o3' })],
  ['an order after its refusal', /never accepted/, (_, c) => c.orders.delete('o1')],
  ['another amount', /not what was asked/, (b) => Object.assign(first(b.orders), { amount: 299 })],
  ['a pending order', /o1 is pending/, (b) => Object.assign(first(b.orders), { status: 'pending' })],
  [
    'the wrong end',
    /o1 over 300 is paid, not failed/,
    (_, c) => Object.assign(c.orders.get('o1') ?? {}, { end: 'failed' }),
  ],
  ['a lost deposit', /deposit e1 of ada got a 201 and is lost/, (b) => b.moves.shift()],
  ['another deposit', /not what was answered/, (_, c) => Object.assign(c.moves.get('e1') ?? {}, { balanceAfter: 999 })],
  ['a deposit unasked', /1 deposits and withdrawals exist unasked/, (_, c) => c.moves.clear()],
  ['a lost user', /user ada got a 201 and is lost/, (b) => b.users.pop()],
  ['a dead letter', /dead letter x/, (b) => b.deadLetters.push({ consumer: 'c', event_key: 'x', error: 'oh' })],
]

t.strictSame(compareClaims(sound().books, sound().claims), [], 'sound books are passed')

for (const [name, sentence, plant] of mistakes) {
  const { books, claims } = sound()
  plant(books, claims)
  t.match(compareClaims(books, claims).join('\n'), sentence, `${name} is named`)
}

t.test('what got no clear answer may be there or not', async (t) => {
  const { books, claims } = sound()
  claims.orders.delete('o1')
  claims.unclearOrders.add('hat').add('gone')
  claims.moves.clear()
  claims.unclearMoves = 1
  t.strictSame(compareClaims(books, claims), [])
})
