/** The wall clock is set, forward and back, while everything runs: nothing is forgotten early, doubled or left waiting. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'
import { createWallClock, HOUR_MS } from '../support/wall-clock.ts'

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
