import t from 'tap'
import { decodeCursor, encodeCursor, toPage } from '../src/pages.ts'

t.test('a cursor gives its sequence back', async (t) => {
  for (const seq of [0, 1, 20, 123_456_789, Number.MAX_SAFE_INTEGER]) t.equal(decodeCursor(encodeCursor(seq)), seq)
})

t.test('anything else is refused', async (t) => {
  const base64url = (text: string) => Buffer.from(text).toString('base64url')
  const bad = ['', 'abc', '12', base64url('12'), base64url('v2.12'), base64url('v1.-1'), base64url('v1.1.5')]
  bad.push(base64url('v1.9007199254740993'), base64url('v1.012'), `${encodeCursor(12)}=`, `${encodeCursor(12)}!`)
  for (const text of bad) {
    t.throws(() => decodeCursor(text), { code: 'validation_failed', errors: [{ path: '/query/cursor' }] }, text)
  }
})

t.test('the extra row only says that there is a next page', async (t) => {
  const seqOf = (seq: number) => seq
  t.strictSame(toPage([9, 8, 7], 2, seqOf), { items: [9, 8], next: encodeCursor(8) })
  t.strictSame(toPage([9, 8], 2, seqOf), { items: [9, 8], next: null })
  t.strictSame(toPage([], 2, seqOf), { items: [], next: null })
})
