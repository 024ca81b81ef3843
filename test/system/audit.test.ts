/** The checker can fail: each mistake planted into sound books is named, and sound books are passed. */
import t from 'tap'
import { audit, type Claims, newClaims } from '../support/audit.ts'
import type { Books } from '../support/books.ts'

/** Ada paid an order over 300 of her 1,000 and could not afford one over 5,000. */
function sound(): { books: Books; claims: Claims } {
  const user = { user_id: 'ada' }
  const claims = newClaims()
  claims.users.set('ada', 'ada@example.com')
  claims.moves.set('e1', { userId: 'ada', kind: 'deposit', amount: 1_000, balanceAfter: 1_000 })
  claims.orders.set('o1', { userId: 'ada', amount: 300, description: 'hat', end: 'paid' })
  claims.orders.set('o2', { userId: 'ada', amount: 5_000, description: 'boat', end: 'failed' })
  const entry = { ...user, order_id: null, created_at: 0 }
  const letter = { ...user, to_address: 'ada@example.com', mail: 'none' }
  const declined = { outcome: 'declined', reason: 'insufficient_funds', transaction_id: null, decided_at: 0 }
  const books: Books = {
    users: [{ id: 'ada', email: 'ada@example.com' }],
    orders: [
      { ...user, id: 'o1', amount: 300, description: 'hat', status: 'paid', failure_reason: null },
      { ...user, id: 'o2', amount: 5_000, description: 'boat', status: 'failed', failure_reason: 'insufficient_funds' },
    ],
    ends: [
      { order_id: 'o1', type: 'orders.paid.v1', times: 1 },
      { order_id: 'o2', type: 'orders.failed.v1', times: 1 },
    ],
    accounts: [{ ...user, balance: 700, entries: 2 }],
    entries: [
      { ...entry, id: 'e1', number: 1, kind: 'deposit', amount: 1_000, balance_after: 1_000 },
      { ...entry, id: 'e2', number: 2, kind: 'debit', amount: 300, balance_after: 700, order_id: 'o1' },
    ],
    decisions: [
      { ...user, order_id: 'o1', amount: 300, outcome: 'paid', reason: null, transaction_id: 'e2', decided_at: 0 },
      { ...user, ...declined, order_id: 'o2', amount: 5_000 },
    ],
    contacts: [{ ...user, email: 'ada@example.com' }],
    letters: [
      { ...letter, seq: 1, id: 'l1', kind: 'order_paid', order_id: 'o1' },
      { ...letter, seq: 2, id: 'l2', kind: 'order_failed', order_id: 'o2' },
    ],
    mailboxes: [{ ...user, last_seq: 2 }],
    deadLetters: [],
  }
  return { books, claims }
}

const first = <T>(items: T[]) => items[0] as T
const last = <T>(items: T[]) => items.at(-1) as T

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
  ['no reason', /failed for the reason null/, (b) => Object.assign(last(b.orders), { failure_reason: null })],
  ['an end announced twice', /announced 2 × orders.paid/, (b) => Object.assign(first(b.ends), { times: 2 })],
  ['an end not announced', /announced nothing/, (b) => b.ends.pop()],
  ['no decision', /o2 has 0 decisions/, (b) => b.decisions.pop()],
  ['two decisions', /o1 has 2 decisions/, (b) => b.decisions.push(first(b.decisions))],
  ['a decision on nothing', /decision on order o9/, (b) => b.decisions.push({ ...first(b.decisions), order_id: 'o9' })],
  [
    'the decision turned',
    /o2 is failed, its decision paid/,
    (b) => Object.assign(last(b.decisions), { outcome: 'paid' }),
  ],
  [
    'a double debit that adds up',
    /o1 has 2 debits, not 1/,
    (b) => {
      b.entries.push({ ...last(b.entries), id: 'e3', number: 3, balance_after: 400 })
      Object.assign(first(b.accounts), { balance: 400, entries: 3 })
    },
  ],
  ['a debit of a failed order', /o2 has 1 debits, not 0/, (b) => Object.assign(last(b.entries), { order_id: 'o2' })],
  ['a debit for nothing', /debit for order o9/, (b) => Object.assign(last(b.entries), { order_id: 'o9' })],
  ['a wrong debit', /ada paid 30/, (b) => Object.assign(last(b.entries), { amount: 30 })],
  ['a missing debit', /o1 has 0 debits/, (b) => b.entries.pop()],
  ['a wrong balance', /balance is 701/, (b) => Object.assign(first(b.accounts), { balance: 701 })],
  ['a wrong balance after', /says 699, not 700/, (b) => Object.assign(last(b.entries), { balance_after: 699 })],
  ['a gap in the ledger', /entry 2 has the number 3/, (b) => Object.assign(last(b.entries), { number: 3 })],
  ['below zero', /below zero: -100/, (b) => Object.assign(first(b.entries), { amount: 200 })],
  ['entries miscounted', /counts 3 entries/, (b) => Object.assign(first(b.accounts), { entries: 3 })],
  ['a lost deposit', /deposit e1 of ada got a 201 and is lost/, (b) => b.entries.shift()],
  ['another deposit', /not what was answered/, (_, c) => Object.assign(c.moves.get('e1') ?? {}, { balanceAfter: 999 })],
  ['a deposit unasked', /1 deposits and withdrawals exist unasked/, (_, c) => c.moves.clear()],
  ['entries without an account', /entries without an account/, (b) => b.accounts.pop()],
  ['a missing letter', /o2 is failed, letters: none/, (b) => b.letters.pop()],
  ['two letters', /letters: order_failed, order_failed/, (b) => b.letters.push({ ...last(b.letters), seq: 3 })],
  [
    'joy for a failed order',
    /o2 is failed, letters: order_paid/,
    (b) => Object.assign(last(b.letters), { kind: 'order_paid' }),
  ],
  ['a letter to another', /o2 went to bob/, (b) => Object.assign(last(b.letters), { user_id: 'bob' })],
  ['a letter about nothing', /letter about order o9/, (b) => Object.assign(last(b.letters), { order_id: 'o9' })],
  ['a gap in the letters', /numbers have a gap/, (b) => Object.assign(last(b.letters), { seq: 3 })],
  ['letters miscounted', /numbers have a gap/, (b) => Object.assign(first(b.mailboxes), { last_seq: 3 })],
  [
    'a letter without address',
    /1 letters are not addressed/,
    (b) => Object.assign(last(b.letters), { to_address: null }),
  ],
  ['a lost user', /user ada got a 201 and is lost/, (b) => b.users.pop()],
  ['no contact', /user ada has no contact/, (b) => b.contacts.pop()],
  ['no account', /user ada has no account/, (b) => b.accounts.pop()],
  ['a dead letter', /dead letter x/, (b) => b.deadLetters.push({ consumer: 'c', event_key: 'x', error: 'oh' })],
]

t.strictSame(audit(sound().books, sound().claims), [], 'sound books are passed')

for (const [name, sentence, plant] of mistakes) {
  const { books, claims } = sound()
  plant(books, claims)
  t.match(audit(books, claims).join('\n'), sentence, `${name} is named`)
}

t.test('what got no clear answer may be there or not', async (t) => {
  const { books, claims } = sound()
  claims.orders.delete('o1')
  claims.unclearOrders.add('hat').add('gone')
  claims.moves.clear()
  claims.unclearMoves = 1
  t.strictSame(audit(books, claims), [])
})
