/** Waiting until a system has done all that it promised, and saying how long that took. */

import { portOf } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import type { Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { audit, type Claims } from './audit.ts'
import { dataDirOf, query, type Service, unsettled } from './books.ts'
import { client } from './system.ts'

const SETTLE_DEADLINE_MS = 120_000

/** Waits until every order, letter, account and contact is there; prints and returns the time from `since` on, ms. */
export async function untilSettled(t: Test, system: System, what: string, since = performance.now()): Promise<number> {
  const dataDir = dataDirOf(system)
  await eventually(
    () => {
      const open = Object.entries(unsettled(dataDir)).filter(([, count]) => count > 0)
      if (open.length > 0) throw new Error(JSON.stringify(Object.fromEntries(open)))
      return true
    },
    { what: `${what}: all settled`, deadlineMs: SETTLE_DEADLINE_MS },
  )
  const tookMs = performance.now() - since
  t.comment(`${what}: all settled after ${(tookMs / 1_000).toFixed(2)} s`)
  return tookMs
}

/** Fails the test with one sentence per broken promise. */
export function assertBooks(t: Test, system: System, claims: Claims) {
  const dataDir = dataDirOf(system)
  const [found] = query<{ orders: number }>(dataDir, 'orders', 'SELECT count(*) AS orders FROM orders')
  t.comment(`audited ${found?.orders} orders`)
  t.ok(found?.orders, 'there is something to audit')
  t.strictSame(audit(dataDir, claims).slice(0, 20), [], 'the books agree with what the clients were told')
}

/**
 * The same, and fails also when an order got to its end only because the sweeper asked
 * again 30 s later: that is the last resort, and none of these tests is about it.
 */
export function assertAudit(t: Test, system: System, claims: Claims) {
  assertBooks(t, system, claims)
  const swept = query(dataDirOf(system), 'orders', 'SELECT id, sweeps FROM orders WHERE sweeps > 0 LIMIT 5')
  t.strictSame(swept, [], 'no order needed the sweeper')
}

/** An instance's own address, not the gateway's. */
export const instanceUrl = (system: System, service: Service, instance = 1) =>
  `http://127.0.0.1:${portOf(system.ports[service], instance)}`

/** The sum of a metric of one instance, over the label sets that match. */
export async function metric(system: System, service: Service, instance: number, name: string, labels = /.*/) {
  const { body } = await client(instanceUrl(system, service, instance))('GET', '/metrics')
  return String(body)
    .split('\n')
    .map((line) => line.match(/^([a-zA-Z_]+)(\{.*\})? (\S+)$/))
    .filter((m) => m?.[1] === name && labels.test(m[2] ?? ''))
    .reduce((sum, m) => sum + Number(m?.[3]), 0)
}

/** The instance that holds the service's lease; waits until there is one. `except` is not asked (it may be stopped). */
export const leaseHolder = (system: System, service: Service, instances: number, except = 0) =>
  eventually(
    async () => {
      for (let k = 1; k <= instances; k++) {
        if (k !== except && (await metric(system, service, k, 'lease_held')) === 1) return k
      }
      return 0
    },
    { what: `an instance of ${service} holds the lease` },
  )

/** Waits until every instance and the gateway answer /health/ready with 200. */
export async function untilReady(system: System) {
  await eventually(
    async () => {
      for (const { port } of system.processes) {
        const { status } = await client(`http://127.0.0.1:${port}`)('GET', '/health/ready')
        if (status !== 200) return false
      }
      return true
    },
    { what: 'every process is ready', deadlineMs: 60_000 },
  )
}
