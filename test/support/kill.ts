/** Killing a process of a system that restarts it. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ManagedProcess } from '@checkout/processes/managed-process.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import Database from 'better-sqlite3'
import type { Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { dataDirOf, services } from './books.ts'
import { untilReady } from './settle.ts'
import { client } from './system.ts'

/** Long enough for messages to arrive that cannot be committed. */
const LOCKED_MS = 500

/** SIGKILL; resolves when the supervisor has started it again and everything is ready, the gateway's view included. */
export async function killUntilBack(t: Test, system: System, victim: ManagedProcess) {
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
