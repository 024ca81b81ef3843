/** Each process in turn is killed under load and started again: nothing is lost, doubled or left lying. */

import { newSeed } from '@checkout/testkit/random.ts'
import t from 'tap'
import { newClaims } from '../support/audit.ts'
import { killUntilBack } from '../support/kill.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

/** Requests before the kill and after it. Nothing depends on how many they are. */
const REQUESTS = 100
const seed = newSeed()
t.comment(`seed ${seed}`)

t.test('one instance of each service', async (t) => {
  await withSystem(t, {}, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    for (const name of ['orders-service', 'payments-service', 'notifications-service', 'gateway']) {
      await t.test(`${name} is killed`, async (t) => {
        const load = startLoad({ t, url: system.url, seed, claims, users })
        await load.accepted(REQUESTS)
        await killUntilBack(t, system, system.process(name))
        await load.accepted(REQUESTS)
        const backAt = performance.now()
        await load.stop()
        await untilSettled(t, system, `${name} ready again`, backAt)
        t.comment(JSON.stringify(load.counts))
        t.strictSame(load.unexpected, [], 'only 201 and what a killed process excuses was answered')
        assertAudit(t, system, claims)
      })
    }
    assertNoErrors(t, system)
  })
})
