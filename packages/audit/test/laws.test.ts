/** The laws can be broken: each mistake that is planted into sound books is named, and sound books are passed. */
import t from 'tap'
import type { AccountBooks, Entry, LetterRow, MailboxBooks, Money, OrderBooks, UserBooks } from '../src/books.ts'
import { checkAccount, checkMailbox, checkMoney, checkOrder, checkUser, type Mistake, sentence } from '../src/laws.ts'

type Plant<Books> = [what: string, sentences: RegExp[], planted: Partial<Books>]

/** The sound books pass; of each planted mistake exactly these sentences are said. */
function holds<Books>(law: (books: Books) => Mistake[], sound: Books, plants: Plant<Books>[]) {
  t.test(`${law.name}: each mistake is named`, async (t) => {
    t.strictSame(law(sound), [], 'sound books are passed')
    for (const [what, sentences, planted] of plants) {
      const found = law({ ...sound, ...planted }).map(sentence)
      t.equal(found.length, sentences.length, `${what}: ${found.join('; ')}`)
      for (const [i, expected] of sentences.entries()) t.match(found[i], expected, what)
    }
  })
}

const ada = { userId: 'ada', amount: 300 }
const placed = { ...ada, id: 'o1', status: 'paid', failureReason: null } as const
const refused = { ...placed, status: 'failed', failureReason: 'insufficient_funds' } as const
const decided = { ...ada, orderId: 'o1', outcome: 'paid', reason: null, transactionId: 'e2' } as const
const declined = { ...decided, outcome: 'declined', reason: 'insufficient_funds', transactionId: null } as const
const debit: Entry = { ...ada, id: 'e2', number: 2, kind: 'debit', balanceAfter: 700, orderId: 'o1' }
const joy: LetterRow = { seq: 1, userId: 'ada', kind: 'order_paid', orderId: 'o1', to: 'ada@example.com' }
const sorrow: LetterRow = { ...joy, kind: 'order_failed' }
const told = { orderId: 'o1', type: 'orders.paid.v1', eventId: 'v1' }
const toldFailed = { ...told, type: 'orders.failed.v1' }

const paid: OrderBooks = {
  id: 'o1',
  orders: [placed],
  decisions: [decided],
  debits: [debit],
  letters: [joy],
  announcements: [told],
}
const failed: OrderBooks = {
  id: 'o1',
  orders: [refused],
  decisions: [declined],
  debits: [],
  letters: [sorrow],
  announcements: [toldFailed],
}
const withoutSuchADecision = /^order decided as paid without its debit, or debited without such a decision: o1$/
const notAsDecided = /^order that did not end as it was decided: o1/
const wrongLetter = /^letter that says otherwise than its order: o1/
const wrongEnd = /^order announced otherwise than it ended: o1/

holds(checkOrder, paid, [
  ['the order twice', [/there more than once/], { orders: [placed, placed] }],
  [
    'a reason',
    [/^order failed without a reason/, notAsDecided],
    { orders: [{ ...placed, failureReason: 'account_not_found' }] },
  ],
  ['no decision', [withoutSuchADecision, /^order at its end without a decision: o1$/], { decisions: [] }],
  ['two decisions', [/^order decided more than once: o1$/], { decisions: [decided, decided] }],
  [
    'the decision turned',
    [withoutSuchADecision, /names another debit/, /\(paid, decided insufficient_funds\)$/],
    { decisions: [declined] },
  ],
  [
    'a decision about another',
    [/^order decided otherwise .*\(300 of ada, decided 300 of bob\)$/],
    { decisions: [{ ...decided, userId: 'bob' }] },
  ],
  [
    'a decision over another amount',
    [/^order decided otherwise .*decided 30 of ada/],
    { decisions: [{ ...decided, amount: 30 }] },
  ],
  [
    'a decision that names another debit',
    [/^decision that names another debit: o1$/],
    { decisions: [{ ...decided, transactionId: 'e9' }] },
  ],
  ['no debit', [withoutSuchADecision, /^order paid that was never debited: o1$/], { debits: [] }],
  ['a double debit', [/^order debited more than once: o1$/], { debits: [debit, { ...debit, id: 'e3' }] }],
  [
    'a debit of another amount',
    [/^order debited otherwise .*\(300 of ada, debited 30 of ada\)$/],
    { debits: [{ ...debit, amount: 30 }] },
  ],
  [
    'a debit of another user',
    [/^order debited otherwise .*debited 300 of bob/],
    { debits: [{ ...debit, userId: 'bob' }] },
  ],
  ['no letter', [/^order at its end without its letter: o1$/], { letters: [] }],
  ['two letters', [/^order with more than one letter: o1$/], { letters: [joy, { ...joy, seq: 2 }] }],
  ['joy and sorrow', [/more than one letter/, wrongLetter], { letters: [joy, { ...sorrow, seq: 2 }] }],
  ['a letter to another', [/\(paid, of ada; order_paid to bob\)$/], { letters: [{ ...joy, userId: 'bob' }] }],
  ['not announced', [/^order at its end that was never announced: o1$/], { announcements: [] }],
  ['announced twice', [/^order announced more than once: o1 /], { announcements: [told, { ...told, eventId: 'v2' }] }],
  ['the same event appended again', [], { announcements: [told, told] }],
  [
    'the other end announced',
    [/more than once/, wrongEnd],
    { announcements: [told, { ...toldFailed, eventId: 'v2' }] },
  ],
  ['another amount placed', [/decided otherwise/, /debited otherwise/], { orders: [{ ...placed, amount: 299 }] }],
  [
    'no such order',
    [/does not exist: money to give back: o1$/, /^order decided that/, /^letter about/, /^order announced that/],
    { orders: [] },
  ],
])
holds(checkOrder, failed, [
  ['no reason', [/^order failed without a reason/, notAsDecided], { orders: [{ ...refused, failureReason: null }] }],
  ['another reason', [/decided insufficient_funds/], { orders: [{ ...refused, failureReason: 'account_not_found' }] }],
  ['a debit', [withoutSuchADecision, /names another/, /^order failed that was debited: o1$/], { debits: [debit] }],
  ['joy', [wrongLetter], { letters: [joy] }],
  ['announced as paid', [wrongEnd], { announcements: [told] }],
])
holds(
  checkOrder,
  { id: 'o1', orders: [{ ...placed, status: 'pending' }], decisions: [], debits: [], letters: [], announcements: [] },
  [
    ['decided', [withoutSuchADecision, /\(pending, decided paid\)$/], { decisions: [decided] }],
    ['a letter', [wrongLetter], { letters: [joy] }],
    ['announced', [wrongEnd], { announcements: [told] }],
  ],
)

t.test('nothing is said about what is not shown', async (t) => {
  t.strictSame(checkOrder({ id: 'o1', orders: [placed] }), [])
  t.strictSame(checkOrder({ id: 'o1', decisions: [decided], debits: [debit] }), [])
  t.strictSame(checkOrder({ id: 'o1', letters: [joy] }), [])
  t.strictSame(checkUser({ id: 'ada', email: 'ada@example.com' }), [])
})

const deposit: Entry = {
  userId: 'ada',
  id: 'e1',
  number: 1,
  kind: 'deposit',
  amount: 1_000,
  balanceAfter: 1_000,
  orderId: null,
}
const cash: Entry = { ...deposit, id: 'e3', number: 3, kind: 'withdrawal', amount: 100, balanceAfter: 600 }
const account = { userId: 'ada', balance: 600, entries: 3 }
const notTheSum = /^account whose balance is not the sum of its entries: ada/
const notTheLast = /^account whose balance is not what its last entry says: ada/
const doesNotAddUp = /^ledger with an entry that does not add up: ada/
const miscounted = /^account that miscounts its entries: ada/

holds<AccountBooks>(checkAccount, { userId: 'ada', account, entries: [deposit, debit, cash] }, [
  ['a wrong balance', [/\(601, not 600\)$/, notTheLast], { account: { ...account, balance: 601 } }],
  [
    'a wrong balance after',
    [/\(entry 3 says 599, not 600\)$/, notTheLast],
    { entries: [deposit, debit, { ...cash, balanceAfter: 599 }] },
  ],
  ['a gap', [/^ledger with a gap: ada \(4 after 2\)$/], { entries: [deposit, debit, { ...cash, number: 4 }] }],
  ['two of one number', [/\(2 after 2\)$/], { entries: [deposit, debit, { ...cash, number: 2 }] }],
  [
    'a lost entry',
    [/gap: ada \(2 after 0\)/, doesNotAddUp, /^account that was below zero: ada/, notTheSum, miscounted],
    { entries: [debit, cash] },
  ],
  [
    'below zero',
    [/\(entry 2: -1\)/, notTheSum, notTheLast, miscounted],
    { entries: [deposit, { ...debit, amount: 1_001, balanceAfter: -1 }] },
  ],
  ['entries miscounted', [/\(2, not 3\)$/], { account: { ...account, entries: 2 } }],
  ['no account', [/^entries without an account: ada$/], { account: null }],
  ['a debit of nothing', [/^debit without an order/], { entries: [deposit, { ...debit, orderId: null }, cash] }],
  [
    'an order with a withdrawal',
    [/^debit without an order/],
    { entries: [deposit, debit, { ...cash, orderId: 'o2' }] },
  ],
])

holds<MailboxBooks>(
  checkMailbox,
  { userId: 'ada', lastSeq: 2, address: 'ada@example.com', letters: [joy, { ...sorrow, seq: 2 }] },
  [
    ['a gap', [/^letters with a gap in their numbers: ada \(3 after 1\)$/], { letters: [joy, { ...joy, seq: 3 }] }],
    ['miscounted', [/^mailbox that miscounts its letters: ada \(3, not 2\)$/], { lastSeq: 3 }],
    [
      'no address',
      [/^letter that is not addressed to its user: ada \(letter 1: ada@example.com\)$/],
      { address: null },
    ],
    ['another address', [/\(letter 2: null\)$/], { letters: [joy, { ...joy, seq: 2, to: null }] }],
    ['about no order', [/^letter about no order/], { letters: [joy, { ...joy, seq: 2, orderId: null }] }],
  ],
)

const email = 'ada@example.com'
holds<UserBooks>(checkUser, { id: 'ada', email, account: { userId: 'ada', balance: 0 }, contact: { email } }, [
  ['no account', [/^user without an account: ada$/], { account: null }],
  ['no contact', [/^user without a contact: ada$/], { contact: null }],
  [
    'another address',
    [/^contact with another address than its user: ada \(bob@/],
    { contact: { email: 'bob@example.com' } },
  ],
  ['nobody registered', [], { email: null, account: null, contact: null }],
])

holds<Money>(checkMoney, { deposits: 2n ** 60n, withdrawals: 100n, debits: 300n, balances: 2n ** 60n - 400n }, [
  ['money made', [/^money made or lost: .*: all accounts \(/], { balances: 2n ** 60n - 399n }],
])
