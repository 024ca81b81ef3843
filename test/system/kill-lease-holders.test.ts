/** Of two instances of each service the ones that relay are killed under load: nothing is lost, doubled or left lying. */

import { newSeed } from '@checkout/testkit/random.ts'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { killUntilBack } from '../support/kill.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { assertAudit, leaseHolder, untilSettled } from '../support/settle.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

/** Requests before the kill and after it. Nothing depends on how many they are. */
const REQUESTS = 100

const seed = newSeed()
t.comment(`seed ${seed}`)

t.test('two instances of each service, the one with the lease is killed', async (t) => {
  await withSystem(t, { instances: 2 }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    const load = startLoad({ t, url: system.url, seed, claims, users })
    await load.accepted(REQUESTS)
    // Both at once: the relays of both streams.
    const holders = await Promise.all([leaseHolder(system, 'orders', 2), leaseHolder(system, 'payments', 2)])
    await Promise.all([
      killUntilBack(t, system, system.process('orders-service', holders[0])),
      killUntilBack(t, system, system.process('payments-service', holders[1])),
    ])
    await load.accepted(REQUESTS)
    const backAt = performance.now()
    await load.stop()
    await untilSettled(t, system, 'the lease holders ready again', backAt)
    t.comment(JSON.stringify(load.counts))
    t.strictSame(load.unexpected, [], 'only 201 and what a killed process excuses was answered')
    assertAudit(t, system, claims)
    assertNoErrors(t, system)
  })
})
