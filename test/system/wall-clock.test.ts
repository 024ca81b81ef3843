/** The wall clock is set, forward and back, while everything runs: nothing is forgotten early, doubled or left waiting. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@checkout/testkit/eventually.ts'
import { startMailbox } from '@checkout/testkit/mailbox.ts'
import { createWallClock, HOUR_MS } from '@checkout/testkit/wall-clock.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

t.setTimeout(300_000)

/** Three rounds of what cleans up. */
const CLEAN_UP_MS = 6_000

t.test('an Idempotency-Key is known after any step of the clock', async (t) => {
  const clock = createWallClock(t)
  await withSystem(t, { env: clock.env }, async (system) => {
    const claims = newClaims()
    const [userId = ''] = await fundedUsers(system.url, 1, claims)
    const api = client(system.url, userId)
    const headers = { 'idempotency-key': randomUUID() }
    const order = { amount: 100, description: 'a sun hat' }
    const place = () => api('POST', '/orders', order, headers)
    const first = await place()
    t.equal(first.status, 201)
    claims.orders.set(first.body.id, { userId, ...order, end: 'paid' })
    await untilSettled(t, system, 'placed')
    for (const hours of [26, -26, 1, -1]) {
      clock.set(hours * HOUR_MS)
      await delay(CLEAN_UP_MS)
      clock.set(0)
      const again = await place()
      t.equal(again.headers.get('idempotency-replayed'), 'true', `the clock was ${hours} h wrong for a while`)
      t.strictSame(again.body, first.body)
    }
    await untilSettled(t, system, 'after the steps')
    await assertAudit(t, system, claims)
    assertNoErrors(t, system)
  })
})

t.test('mail, sweeps and the broker go on after steps, also after one while everything was down', async (t) => {
  const clock = createWallClock(t)
  let open = false
  const mailbox = await startMailbox(t, { refuse: () => (open ? undefined : 451) })
  clock.set(26 * HOUR_MS) // wrong from the start on
  await withSystem(t, { env: { ...clock.env, SMTP_URL: mailbox.url } }, async (system) => {
    const claims = newClaims()
    const [userId = ''] = await fundedUsers(system.url, 1, claims)
    const api = client(system.url, userId)
    const order = async () => {
      const { status, body } = await api('POST', '/orders', { amount: 100, description: 'a sun hat' })
      t.equal(status, 201)
      return body.id as string
    }
    await order()
    await untilSettled(t, system, 'placed under a wrong clock')
    const letter = () => query<Mail>(dataDirOf(system), 'notifications', 'SELECT mail, mail_attempts FROM letters')[0]
    await eventually(() => (letter()?.mail_attempts ?? 0) >= 2, { what: 'the mail server was tried twice' })

    clock.set(0) // 26 h back: the next attempt was not to be 26 h away
    const before = letter()?.mail_attempts ?? 0
    await eventually(() => (letter()?.mail_attempts ?? 0) > before, { what: 'it is tried again' })
    clock.set(26 * HOUR_MS)
    await delay(CLEAN_UP_MS)
    t.equal(letter()?.mail, 'queued', 'a day that passed at once uses up no attempts')
    t.ok((letter()?.mail_attempts ?? 0) - before <= 5, `tried ${letter()?.mail_attempts} times: no more than usual`)

    const services = ['orders-service', 'payments-service', 'notifications-service'].map((name) => system.process(name))
    await Promise.all(services.map((service) => service.terminate(10_000)))
    clock.set(-HOUR_MS) // while nobody runs
    pendAgain(dataDirOf(system))
    for (const service of services) service.start()
    const swept = () => query<{ sweeps: number }>(dataDirOf(system), 'orders', 'SELECT sweeps FROM orders')[0]
    await eventually(() => swept()?.sweeps === 1, { what: 'the order is asked about', deadlineMs: 90_000 })
    await untilSettled(t, system, 'swept')

    system.nats?.kill('SIGKILL')
    await system.nats?.exited()
    clock.set(-26 * HOUR_MS)
    system.nats?.start()
    await order()
    await untilSettled(t, system, 'after the broker came back')
    open = true
    const sent = () =>
      query<Mail>(dataDirOf(system), 'notifications', "SELECT 1 FROM letters WHERE mail = 'sent'").length
    await eventually(() => sent() === 2, { what: 'both letters are mailed', deadlineMs: 90_000 })
    t.equal(mailbox.mails.length, 2, 'once each')
    assertNoErrors(t, system)
  })
})

interface Mail {
  mail: string
  mail_attempts: number
}

/** As if the outcome had never come: the order, pending, is to be swept soon, by the age of the file. */
function pendAgain(dataDir: string) {
  const db = new Database(join(dataDir, 'orders.sqlite'))
  db.exec(
    `UPDATE orders SET status = 'pending', outcome_event_id = NULL, outcome_seq = NULL, outcome_deliveries = NULL,
       outcome_received_at = NULL, sweep_at = 5000 + (SELECT ms FROM ages WHERE name = 'schedule');
     DELETE FROM inbox;`,
  )
  db.close()
}
