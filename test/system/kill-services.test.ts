/** Each process in turn is killed under load and started again: nothing is lost, doubled or left lying. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { ManagedProcess } from '../../scripts/managed-process.ts'
import type { System } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, services } from '../support/books.ts'
import { eventually } from '../support/eventually.ts'
import { fundedUsers, newSeed, startLoad } from '../support/load.ts'
import { assertAudit, leaseHolder, untilReady, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

/** Requests before the kill and after it. Nothing depends on how many they are. */
const REQUESTS = 100
/** Long enough for messages to arrive that cannot be committed. */
const LOCKED_MS = 500

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

/** SIGKILL; resolves when the supervisor has started it again and everything is ready, the gateway's view included. */
async function killUntilBack(t: Test, system: System, victim: ManagedProcess) {
  const { pid, name } = victim
  const unlock = await lockOut(system, name)
  const killedAt = performance.now()
  t.ok(victim.kill('SIGKILL'), 'killed')
  await eventually(() => victim.pid !== pid, { what: `${name} is gone` })
  unlock()
  await eventually(() => victim.pid !== undefined, { what: `${name} is started again` })
  await untilReady(system)
  await eventually(async () => (await client(system.url, 'x')('GET', '/orders')).status === 200, {
    what: 'orders answer',
  })
  t.comment(`${name} ready again ${((performance.now() - killedAt) / 1_000).toFixed(2)} s after SIGKILL`)
}

/**
 * Keeps a service's file locked for a moment, so that it dies with requests and messages that it has taken and not
 * committed: what it had acknowledged or answered by then would be lost. Returns how to unlock.
 */
async function lockOut(system: System, name: string): Promise<() => void> {
  const service = services.find((one) => name === `${one}-service`)
  if (!service) return () => {}
  const db = new Database(join(dataDirOf(system), `${service}.sqlite`), { timeout: 0 })
  const begun = () => {
    db.exec('BEGIN IMMEDIATE')
    return true
  }
  await eventually(begun, { what: `${service}.sqlite is locked` })
  await delay(LOCKED_MS)
  return () => {
    db.exec('ROLLBACK')
    db.close()
  }
}
