/** Letters: what they say, that each is written once, and how they are numbered. */

import { join } from 'node:path'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { contents, execute, temporaryFolder } from '@checkout/testkit/database.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { ADDRESS_BATCH, addressMore } from '../src/add-contact.ts'
import { majorUnits } from '../src/money.ts'
import { migrations } from '../src/store/tables.ts'
import { ada, failedOf, notificationsApp, paidOf, registrationOf } from './app.ts'

const machine = createPlatform()

t.test('amounts as people write them, exact to the last unit', async (t) => {
  for (const [amount, currency, text] of [
    [149_900, 'RUB', 'RUB 1,499.00'],
    [1, 'RUB', 'RUB 0.01'],
    [99, 'EUR', 'EUR 0.99'],
    [100, 'USD', 'USD 1.00'],
    [149_900, 'JPY', 'JPY 149,900'],
    [1, 'JPY', 'JPY 1'],
    [1_234, 'KWD', 'KWD 1.234'],
    [5, 'KWD', 'KWD 0.005'],
    [1_000_000_000_000, 'RUB', 'RUB 10,000,000,000.00'],
    [Number.MAX_SAFE_INTEGER, 'RUB', 'RUB 90,071,992,547,409.91'],
    [Number.MAX_SAFE_INTEGER, 'KWD', 'KWD 9,007,199,254,740.991'],
    [Number.MAX_SAFE_INTEGER, 'JPY', 'JPY 9,007,199,254,740,991'],
  ] as const) {
    t.equal(majorUnits(amount, currency), text)
  }
})

t.test('currencies whose everyday prices have fewer decimals than their money', async (t) => {
  for (const code of 'AFN ALL COP HUF IDR IRR KPW LAK LBP MGA MMK PKR SOS SYP YER'.split(' ')) {
    t.equal(majorUnits(149_900, code), `${code} 1,499.00`)
  }
  t.equal(majorUnits(149_900, 'IQD'), 'IQD 149.900')
  t.equal(majorUnits(149_900, 'CLF'), 'CLF 14.9900')
})

t.test('the letter of joy and the letters of sorrow', async (t) => {
  const app = await notificationsApp(t)
  await app.registered(registrationOf('ada'))
  const paid = paidOf({ description: 'Sun hat, "straw"' })
  const poor = failedOf({ amount: 100, currency: 'JPY' })
  const stranger = failedOf({ reason: 'account_not_found', userId: 'stranger' })
  for (const event of [paid, poor, stranger]) await app.settled(event)
  const [sorrow, joy] = (await app.letters()).items
  t.match(joy, {
    seq: 1,
    kind: 'order_paid',
    orderId: paid.data.orderId,
    to: 'ada@example.com',
    mail: 'none',
    sentAt: null,
  })
  t.equal(joy.subject, 'Your order is paid')
  t.equal(
    joy.body,
    `Hello Ada,

Good news: your order "Sun hat, "straw"" is paid. We took RUB 1,499.00 from your account.

Thank you for shopping with us!

Order number: ${paid.data.orderId}`,
  )
  t.match(sorrow, { seq: 2, kind: 'order_failed', orderId: poor.data.orderId })
  t.equal(sorrow.subject, 'Your order could not be paid')
  t.equal(
    sorrow.body,
    `Hello Ada,

We are sorry: your order "Sun hat" for JPY 100 could not be paid. There is not enough money on your account. Nothing was taken from your account.

Please top up your account and place the order again.

Order number: ${poor.data.orderId}`,
  )
  const [unknown] = (await app.letters('stranger')).items
  t.match(unknown, { seq: 1, to: null, mail: 'none', body: /^Hello,\n\n.*You do not have an account with us yet\./ })
  t.match(unknown.body, /Please open an account, top it up and place the order again\./)
})

t.test('each letter once, whatever is delivered again', async (t) => {
  const app = await notificationsApp(t)
  const paid = paidOf()
  await Promise.all([paid, paid, { ...paid, id: machine.newId() }].map(app.settled))
  await app.settled({ ...paid, id: machine.newId() })
  const { items } = await app.letters()
  t.match(items, [{ seq: 1, kind: 'order_paid' }])
  t.equal(items.length, 1)
  await app.settled(paidOf())
  t.equal((await app.letters()).items[0].seq, 2, 'and no number was used up')
  const copy = `INSERT INTO letters SELECT user_id, 9, 'x', kind, order_id, to_address, subject, body, mail, mail_attempts,
    mail_due_at, created_at, sent_at, cause_event_id, cause_seq, cause_deliveries, cause_received_at, NULL FROM letters LIMIT 1`
  t.throws(() => execute(app.file, copy), /UNIQUE.*order_id/, 'the key holds by itself')
})

t.test('numbers per user have no gaps', async (t) => {
  const app = await notificationsApp(t)
  await Promise.all(
    Array.from({ length: 90 }, (_, i) => {
      const userId = ['ada', 'bob', 'carol'][i % 3] ?? ''
      if (i % 9 === 8) return app.write(userId, { subject: '', body: 'refused' })
      if (i % 2) return app.write(userId)
      return app.settled(i % 4 ? paidOf({ userId }) : failedOf({ userId }))
    }),
  )
  for (const userId of ['ada', 'bob', 'carol']) {
    const { items } = await app.letters(userId)
    const seqs = items.map(({ seq }: { seq: number }) => seq)
    t.strictSame(
      seqs,
      Array.from(seqs, (_, i) => seqs.length - i),
      `newest first, ${seqs.length} letters of ${userId}`,
    )
    t.equal(seqs.length, userId === 'carol' ? 20 : 30)
  }
})

t.test('the list is steady while letters come in', async (t) => {
  const app = await notificationsApp(t)
  for (let i = 0; i < 25; i++) await app.write()
  t.equal((await app.letters('ada', '')).items.length, 20, 'the default limit')
  const seen: number[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: { seq: number }[]; next: string | null } = await app.letters(
      'ada',
      `limit=7${cursor && `&cursor=${cursor}`}`,
    )
    seen.push(...page.items.map(({ seq }) => seq))
    cursor = page.next
    await app.write()
  }
  t.strictSame(
    seen,
    Array.from({ length: 25 }, (_, i) => 25 - i),
  )
})

t.test('a contact that comes after its letters fills in their address', async (t) => {
  for (const mailing of [false, true]) {
    const app = await notificationsApp(t, { mailing })
    await app.settled(paidOf())
    await app.write()
    await app.write('bob')
    t.match((await app.letters()).items, [
      { seq: 2, to: null, mail: 'none' },
      { seq: 1, to: null, mail: 'none' },
    ])
    const registration = registrationOf('ada')
    await app.registered(registration)
    await app.registered(registration)
    await app.registered(registrationOf('ada')) // again, under another id
    const differs = (what: string) => ({
      message: new RegExp(`^user ada is known with another ${what} than event .{36} has$`),
    })
    await t.rejects(app.registered(registrationOf('ada', 'Another')), differs('name'))
    const elsewhere = registrationOf('ada')
    const data = { ...elsewhere.data, email: 'ada@example.org' }
    await t.rejects(app.registered({ ...elsewhere, data }), differs('address'))
    const mail = mailing ? 'queued' : 'none'
    const { items } = await app.letters()
    t.equal(items.length, 2)
    t.match(items, [
      { seq: 2, to: 'ada@example.com', mail },
      { seq: 1, to: 'ada@example.com', mail },
    ])
    t.match((await app.letters('bob')).items, [{ to: null, mail: 'none' }], 'bob’s are left alone')
    t.match((await app.write()).json(), { seq: 3, to: 'ada@example.com', mail })
  }
})

t.test('an address for many letters is filled in in parts', async (t) => {
  const app = await notificationsApp(t, { mailing: true })
  const written = 2 * ADDRESS_BATCH + 10
  await Promise.all(Array.from({ length: written }, () => app.settled(paidOf())))
  await app.settled(paidOf({ userId: 'bob' }))
  const terms = { platform: machine, mailing: true }
  const queued = () => app.store.read.letters.dueMail(machine.now(), 10_000)
  const more = () => app.store.write((tx) => addressMore(tx, 1_000, terms))
  t.equal(await more(), 0, 'nothing to do before')
  await app.registered(registrationOf('ada'))
  t.equal((await queued()).length, ADDRESS_BATCH, 'one transaction is not held up by all of them')
  await app.write()
  t.equal(await more(), written - ADDRESS_BATCH)
  t.equal(await more(), 0)
  t.equal((await queued()).length, written + 1)
  t.ok((await queued()).every(({ to }) => to === 'ada@example.com'))
  t.match((await app.letters('bob')).items, [{ to: null, mail: 'none' }], 'bob’s are left alone')
})

t.test('the journey, also when the inbox has forgotten it', async (t) => {
  const app = await notificationsApp(t)
  const paid = paidOf()
  await app.settled(paid)
  execute(app.file, 'DELETE FROM inbox')
  const url = `/journeys/notifications/${paid.data.orderId}`
  const { steps } = (await app.app.inject({ url, headers: ada })).json()
  const letter = { step: 'letter', payload: { seq: 1, kind: 'order_paid' } }
  const inbox = { step: 'inbox', eventId: paid.id, streamSeq: 7, deliveries: 1 }
  t.equal(steps.length, 2)
  t.match(
    steps.find(({ step }: { step: string }) => step === 'letter'),
    letter,
  )
  t.match(
    steps.find(({ step }: { step: string }) => step === 'inbox'),
    inbox,
  )
})

t.test('joy and sorrow about one order contradict each other, whichever came first', async (t) => {
  const app = await notificationsApp(t)
  for (const [first, second] of [
    [paidOf(), failedOf],
    [failedOf(), paidOf],
  ] as const) {
    const { orderId } = first.data
    await app.settled(first)
    const before = contents(app.file)
    await t.rejects(app.settled(second({ orderId })), /a letter has told ada order_.* says order_/)
    const toAnother = first.type === 'orders.paid.v1' ? paidOf : failedOf
    await t.rejects(app.settled(toAnother({ orderId, userId: 'bob' })), /told ada .* to bob/)
    t.strictSame(contents(app.file), before, 'nothing changed')
    await app.settled(toAnother({ orderId }))
    t.strictSame((await app.letters()).items.filter((item: { orderId: string }) => item.orderId === orderId).length, 1)
    const copy = `INSERT INTO letters SELECT user_id, seq + 100, id, 'order_paid', 'another', to_address, subject, body, mail,
      mail_attempts, mail_due_at, created_at, sent_at, cause_event_id, cause_seq, cause_deliveries, cause_received_at, outcome_of
      FROM letters WHERE outcome_of = '${orderId}'`
    t.throws(() => execute(app.file, copy), /UNIQUE.*outcome_of/, 'the key holds by itself')
  }
})

t.test('a file in which an older version has written both is taken, with joy as the key', async (t) => {
  const folder = temporaryFolder()
  const old = new Database(join(folder.dataDir, 'notifications.sqlite'))
  old.exec(migrations[0]?.sql ?? '')
  old.exec('CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT')
  old.exec("INSERT INTO migrations VALUES ('notifications/1', 0)")
  const letter = (seq: number, kind: string, order: string) =>
    old.exec(`INSERT INTO letters (user_id, seq, id, kind, order_id, subject, body, mail, mail_due_at, created_at, cause_event_id)
      VALUES ('ada', ${seq}, 'l${seq}', '${kind}', '${order}', '', '', 'none', 0, 0, 'e${seq}')`)
  letter(1, 'order_failed', 'both')
  letter(2, 'order_paid', 'both')
  letter(3, 'order_failed', 'one')
  old.close()
  const app = await notificationsApp(t, { folder })
  await app.store.write(async (tx) => {
    t.match(await tx.letters.outcome('both'), { kind: 'order_paid' })
    t.match(await tx.letters.outcome('one'), { kind: 'order_failed' })
  })
  t.equal(contents(app.file).letters?.length, 3)
})
