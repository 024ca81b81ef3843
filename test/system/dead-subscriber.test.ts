/** A service stays down while the stream that it reads fills several times: the others do not notice, and it misses nothing. */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { untilListening } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import type { System } from '../../scripts/system.ts'
import { audit, type Claims, newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

/** The least that is allowed; about 350 orders with such descriptions fill ORDERS. */
const STREAM_MAX_BYTES = `${1024 ** 2}`
const DESCRIPTION = 'a sun hat, '.repeat(44)
const AT_ONCE = 20

/** Places orders, and resolves when all are paid: without the letters, which have nobody to write them. */
async function paid(system: System, claims: Claims, users: readonly string[], count: number) {
  const place = async (n: number) => {
    const userId = users[n % users.length] as string
    const description = `${DESCRIPTION}${randomUUID()}`.slice(-500)
    const key = { 'idempotency-key': description.slice(-36) }
    const placed = await eventually(
      async () => {
        const answer = await client(system.url, userId)('POST', '/orders', { amount: 1, description }, key)
        return answer.status === 201 && answer
      },
      { what: 'an order is taken' },
    )
    claims.orders.set(placed.body.id, { userId, amount: 1, description, end: 'paid' })
  }
  for (let n = 0; n < count; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => place(n + i)))
  const pending = () => query(dataDirOf(system), 'orders', "SELECT 1 FROM orders WHERE status = 'pending'").length
  await eventually(() => pending() === 0 || Promise.reject(new Error(`${pending()} are pending`)), {
    what: 'all orders are paid',
    deadlineMs: 120_000,
  })
}

t.test('notifications-service stays down', { timeout: 600_000 }, async (t) => {
  await withSystem(t, { env: { STREAM_MAX_BYTES } }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    const notifications = system.process('notifications-service')
    notifications.restart = false
    notifications.kill('SIGKILL')
    await notifications.exited()
    const inArrears = () => query(dataDirOf(system), 'orders', 'SELECT 1 FROM arrears').length > 0

    await paid(system, claims, users, 800)
    t.ok(inArrears(), 'two stream-fulls are paid, and the outbox keeps what was not read')

    const orders = system.process('orders-service')
    const { pid } = orders
    orders.kill('SIGKILL')
    await eventually(() => orders.pid !== undefined && orders.pid !== pid, { what: 'orders-service is started again' })
    await paid(system, claims, users, 200)
    t.pass('paid, after orders-service was killed')

    const { nats } = system
    if (!nats) throw new Error('the system has no nats-server of its own')
    nats.restart = false
    nats.kill('SIGKILL')
    await nats.exited()
    rmSync(nats.storeDir, { recursive: true, force: true })
    nats.start()
    nats.restart = true
    await untilListening(nats.port, AbortSignal.timeout(30_000))
    await paid(system, claims, users, 200)
    t.pass('paid, after the broker was wiped')

    notifications.restart = true
    notifications.start()
    await untilSettled(t, system, 'notifications-service back')
    await eventually(() => !inArrears(), { what: 'nobody is in arrears' })
    t.strictSame(audit(dataDirOf(system), claims).slice(0, 20), [], 'every letter was written once')
    assertNoErrors(t, system)
  })
})
