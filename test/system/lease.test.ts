/** The instance with the lease stops without dying: another takes over; when it goes on, it does no harm. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ManagedProcess } from '@checkout/processes/managed-process.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import type { System } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, type Service } from '../support/books.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { assertAudit, leaseHolder, metric, untilReady, untilSettled } from '../support/settle.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

/** Before the holders are stopped, while they are, and afterwards. Nothing depends on how many they are. */
const REQUESTS = 100
const services = ['orders', 'payments'] as const

t.test('the lease holder is stopped under load', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withSystem(t, { instances: 2 }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    const load = startLoad({ t, url: system.url, seed, claims, users })
    await load.accepted(REQUESTS)
    const stopped: ManagedProcess[] = []
    const stoppedAt = performance.now()
    try {
      for (const service of services) {
        const holder = await leaseHolder(system, service, 2)
        const victim = system.process(`${service}-service`, holder)
        await pauseBetweenTransactions(system, service, victim)
        stopped.push(victim)
        const pausedAt = performance.now()
        const heir = await leaseHolder(system, service, 2, holder)
        t.not(heir, holder, `${service} ${heir} took the lease over from ${holder}`)
        t.comment(`${service}: lease taken over after ${((performance.now() - pausedAt) / 1_000).toFixed(2)} s`)
      }
      await load.accepted(REQUESTS)
      await load.stop()
      await untilSettled(t, system, 'both holders still stopped; load ended')
      t.comment(`${((performance.now() - stoppedAt) / 1_000).toFixed(2)} s after the first SIGSTOP, load included`)
    } finally {
      for (const victim of stopped) victim.resume()
    }
    await untilReady(system)
    for (const service of services) {
      const one = async () => (await holders(system, service)) === 1
      await eventually(one, { what: `one instance of ${service} holds the lease` })
    }
    const after = startLoad({ t, url: system.url, seed: seed + 1, claims, users })
    await after.accepted(REQUESTS)
    await after.stop()
    await untilSettled(t, system, 'both go on')
    t.comment(JSON.stringify([load.counts, after.counts]))
    t.strictSame([...load.unexpected, ...after.unexpected], [])
    assertAudit(t, system, claims)
    assertNoErrors(t, system)
  })
})

async function holders(system: System, service: Service) {
  const held = await Promise.all([1, 2].map((k) => metric(system, service, k, 'lease_held')))
  return held.reduce((sum, each) => sum + each, 0)
}

/**
 * SIGSTOP, but not in the middle of a transaction: SQLite's write lock would stay with the stopped process, and no other
 * could write until it goes on. (Nothing is lost then either, see locked.test.ts; but nobody could take over.)
 */
async function pauseBetweenTransactions(system: System, service: Service, victim: ManagedProcess) {
  const db = new Database(join(dataDirOf(system), `${service}.sqlite`), { timeout: 0 })
  try {
    await eventually(
      async () => {
        victim.pause()
        // The other instance writes too: only a lock that stays is the stopped one's.
        for (let attempt = 0; attempt < 40; attempt++) {
          try {
            db.exec('BEGIN IMMEDIATE')
            db.exec('ROLLBACK')
            return true
          } catch {
            await delay(5)
          }
        }
        victim.resume()
        return false
      },
      { what: `${service} is stopped between two transactions` },
    )
  } finally {
    db.close()
  }
}
