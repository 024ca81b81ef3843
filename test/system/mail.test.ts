/** Letters go out by SMTP once each, although two instances could send them. */
import { eventually } from '@checkout/testkit/eventually.ts'
import { startMailbox } from '@checkout/testkit/mailbox.ts'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const ORDERS = 40

t.test('one mail per letter', async (t) => {
  const { mails, url } = await startMailbox(t)
  const env = { SMTP_URL: url, MAIL_FROM: 'Shop <shop@shop.example>' }
  await withSystem(t, { env, instances: 2 }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 4, claims)
    await Promise.all(
      Array.from({ length: ORDERS }, async (_, i) => {
        const userId = users[i % users.length] as string
        const order = { amount: i % 5 ? 100 + i : 1_000_000_000_000, description: `mailed ${i}` }
        const { status, body } = await client(system.url, userId)('POST', '/orders', order)
        t.equal(status, 201)
        claims.orders.set(body.id, { userId, ...order, end: i % 5 ? 'paid' : 'failed' })
      }),
    )
    await untilSettled(t, system, 'orders')
    const queued = () => query(dataDirOf(system), 'notifications', "SELECT id FROM letters WHERE mail <> 'sent'")
    await eventually(() => queued().length === 0, { what: 'every letter is mailed', deadlineMs: 60_000 })
    const letters = query<{ id: string; to_address: string; subject: string }>(
      dataDirOf(system),
      'notifications',
      'SELECT id, to_address, subject FROM letters',
    )
    t.equal(letters.length, ORDERS)
    t.strictSame(
      [...new Set(mails.map(({ messageId, to }) => `${messageId} ${to}`))].toSorted(),
      letters.map(({ id, to_address }) => `${id} ${to_address}`).toSorted(),
      'each letter was mailed, to its user',
    )
    // An instance that stood still with a letter under way may have lost the lease: only that letter comes twice.
    const handovers = mails.filter(({ from }, i) => i > 0 && from !== mails[i - 1]?.from).length
    t.ok(mails.length - letters.length <= handovers, `${mails.length} mails, ${handovers} handovers`)
    for (const { id, subject } of letters.slice(0, 3)) {
      const mail = mails.find(({ messageId }) => messageId === id)
      t.match(mail?.text, `Subject: ${subject}`)
      t.match(mail?.text, 'From: Shop <shop@shop.example>')
    }
    const { items } = (await client(system.url, users[0])('GET', '/notifications')).body
    t.match(items[0], { mail: 'sent', sentAt: /^\d{4}-/ })
    assertAudit(t, system, claims)
    assertNoErrors(t, system)
  })
})
