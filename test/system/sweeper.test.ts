/** The last resort: an order whose outcome got lost in a way that nothing else notices is asked about again. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { eventually } from '@checkout/testkit/eventually.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { audit, newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

t.test('orders that know nothing of their outcome any more are settled again, with one debit', async (t) => {
  await withSystem(t, {}, async (system) => {
    const claims = newClaims()
    const [userId = ''] = await fundedUsers(system.url, 1, claims)
    const api = client(system.url, userId)
    const { balance } = (await api('GET', '/accounts/me')).body
    const placed: string[] = []
    for (const [amount, end] of [
      [100, 'paid'],
      [balance, 'failed'],
    ] as const) {
      const order = { amount, description: `swept ${randomUUID()}` }
      const { status, body } = await api('POST', '/orders', order)
      t.equal(status, 201)
      claims.orders.set(body.id, { userId, ...order, end })
      placed.push(body.id)
      await untilSettled(t, system, end)
    }

    const service = system.process('orders-service')
    await service.terminate(10_000)
    forgetOutcomes(dataDirOf(system))
    service.start()
    service.restart = true

    const state = () => query<Swept>(dataDirOf(system), 'orders', 'SELECT status, sweeps FROM orders ORDER BY seq')
    await eventually(() => state().every(({ status }) => status !== 'pending'), { what: 'settled again' })
    t.strictSame(state(), [
      { status: 'paid', sweeps: 1 },
      { status: 'failed', sweeps: 1 },
    ])
    await untilSettled(t, system, 'swept')
    // Their ends were announced before the file forgot them, too.
    const wrong = audit(dataDirOf(system), claims).filter((one) => !/^order announced more than once/.test(one))
    t.strictSame(wrong, [], 'the books agree: one debit and one letter each')
    assertNoErrors(t, system)
  })
})

interface Swept {
  status: string
  sweeps: number
}

/** As if the outcomes had never come, and so long ago that it is time to ask. */
function forgetOutcomes(dataDir: string) {
  change(
    join(dataDir, 'orders.sqlite'),
    `UPDATE orders SET status = 'pending', failure_reason = NULL, outcome_event_id = NULL, outcome_seq = NULL,
       outcome_deliveries = NULL, outcome_received_at = NULL, sweep_at = 0;
     DELETE FROM inbox;`,
  )
  // Payments answers a repeated question, but not within 10 s of its last answer.
  change(join(dataDir, 'payments.sqlite'), 'UPDATE decisions SET emitted_at = 0')
}

function change(file: string, sql: string) {
  const db = new Database(file)
  db.exec(sql)
  db.close()
}
