/** Letters go out by SMTP once each, although two instances could send them. */
import type { AddressInfo } from 'node:net'
import { eventually } from '@checkout/testkit/eventually.ts'
import { SMTPServer } from 'smtp-server'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const ORDERS = 40

interface Mail {
  to: string[]
  messageId: string
  text: string
  /** The sender's connection: an instance has one at a time. */
  from: number
}

/** A real SMTP server that keeps what it is given. */
async function mailbox() {
  const mails: Mail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const messageId = /^Message-ID: <([^@>]+)@/im.exec(text)?.[1] ?? ''
        const to = session.envelope.rcptTo.map(({ address }) => address)
        mails.push({ to, messageId, text, from: session.remotePort })
        done()
      })
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return { mails, url: `smtp://127.0.0.1:${port}`, close }
}

t.test('one mail per letter', async (t) => {
  const { mails, url, close } = await mailbox()
  const env = { SMTP_URL: url, MAIL_FROM: 'Shop <shop@shop.example>' }
  try {
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
  } finally {
    await close()
  }
})
