/** The same laws over what the API shows of a user. */
import type {
  Account,
  EntryKind,
  LedgerEntry,
  Letter,
  LetterKind,
  Order,
  OrderStatus,
} from '@checkout/contracts/http.ts'
import t from 'tap'
import { auditLedger, auditLetters, auditOrders, type Get, readBooks, readNewer, type ShownBooks } from '../src/api.ts'
import { sentence } from '../src/laws.ts'

const order = (id: string, amount: number, status: OrderStatus) =>
  ({ id, userId: 'ada', amount, status, failureReason: status === 'failed' ? 'insufficient_funds' : null }) as Order
const letter = (seq: number, orderId: string, kind: LetterKind) =>
  ({ id: `l${seq}`, seq, userId: 'ada', orderId, kind, to: 'ada@example.com' }) as Letter
const entry = (kind: EntryKind, amount: number, balanceAfter: number, orderId: string | null = null) =>
  ({ id: `${kind}-${balanceAfter}`, kind, amount, balanceAfter, orderId }) as LedgerEntry

/** Newest first. */
const sound: ShownBooks = {
  account: { userId: 'ada', balance: 900 } as Account,
  orders: [order('b', 5_000, 'failed'), order('a', 100, 'paid')],
  entries: [entry('debit', 100, 900, 'a'), entry('deposit', 1_000, 1_000)],
  letters: [letter(2, 'b', 'order_failed'), letter(1, 'a', 'order_paid')],
}
const audit = (books: ShownBooks) =>
  [...auditOrders(books), ...auditLedger(books), ...auditLetters(books)].map(sentence).toSorted()

t.strictSame(audit(sound), [], 'sound books are passed')

t.test('each mistake that the API shows is named', async (t) => {
  const [debit, deposit] = sound.entries as [LedgerEntry, LedgerEntry]
  const plants: [Partial<ShownBooks>, RegExp[]][] = [
    [{ orders: [...sound.orders, order('a', 100, 'paid')] }, [/there more than once: a$/]],
    [{ orders: [order('b', 5_000, 'failed')] }, [/about an order that does not exist: a/, /money to give back: a/]],
    [{ orders: [order('b', 5_000, 'failed'), order('a', 99, 'paid')] }, [/another user or amount: a/]],
    [{ letters: [letter(1, 'a', 'order_paid')] }, [/order at its end without its letter: b/]],
    [{ letters: [letter(3, 'b', 'order_failed'), letter(1, 'a', 'order_paid')] }, [/letters with a gap/]],
    [{ entries: [deposit] }, [/not the sum/, /not what its last/, /never debited: a/]],
    [
      { entries: [{ ...debit, orderId: 'b' }, deposit] },
      [/another user or amount: b/, /failed.*debited: b/, /never.*: a/],
    ],
    [{ account: { ...sound.account, balance: 901 } }, [/not the sum of its entries: ada/, /not what its last entry/]],
  ]
  for (const [planted, sentences] of plants) {
    const found = audit({ ...sound, ...planted })
    t.equal(found.length, sentences.length, found.join('; '))
    for (const [i, expected] of sentences.entries()) t.match(found[i], expected)
  }
})

t.test('lists are read page by page', async (t) => {
  const items = Array.from({ length: 250 }, (_, i) => ({ id: `${250 - i}` }))
  const asked: string[] = []
  const get = (async (path: string, user: string) => {
    asked.push(path)
    t.equal(user, 'ada')
    if (path === '/accounts/me') return sound.account
    const from = Number(new URL(path, 'http://localhost').searchParams.get('cursor'))
    return { items: items.slice(from, from + 100), next: from + 100 < items.length ? `${from + 100}` : null }
  }) as Get
  t.strictSame(await readNewer(get, '/orders', 'ada', null), items)
  t.strictSame(asked, ['/orders?limit=100', '/orders?limit=100&cursor=100', '/orders?limit=100&cursor=200'])
  asked.length = 0
  t.strictSame(await readNewer(get, '/orders', 'ada', '240'), items.slice(0, 10))
  t.strictSame(asked, ['/orders?limit=100'], 'no further than what is known')
  const { orders, letters, entries, account } = await readBooks(get, 'ada')
  t.strictSame([orders.length, letters.length, entries.length, account], [250, 250, 250, sound.account])
})
