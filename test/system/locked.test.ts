/** A file locked from outside: 503 and nothing behind it, a process that goes on answering, and no poison. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { type Claims, newClaims } from '../support/audit.ts'
import { dataDirOf, type Service } from '../support/books.ts'
import { fundedUsers, type Load, startLoad } from '../support/load.ts'
import { assertAudit, instanceUrl, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

/** Before the lock and after it. Nothing depends on how many they are. */
const REQUESTS = 100
/** At least as many writes as there are clients were refused. */
const REFUSED = 4
const services = ['orders', 'payments', 'notifications'] as const

t.test('a locked file', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withSystem(t, {}, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    const locks = [
      ['orders', 'BEGIN IMMEDIATE'],
      ['payments', 'BEGIN EXCLUSIVE'],
      ['notifications', 'BEGIN IMMEDIATE'],
    ] as const
    for (const [service, begin] of locks) {
      await t.test(`${service}: ${begin}`, async (t) => {
        const load = startLoad({ t, url: system.url, seed, claims, users })
        const live = pollLive(system)
        await load.accepted(REQUESTS)
        await whileLocked(system, service, begin, () => untilRefused(system, service, load))
        const freeAt = performance.now()
        await load.accepted(REQUESTS)
        const { answers, failures } = await live.stop()
        await load.stop()
        await untilSettled(t, system, `${service} unlocked`, freeAt)
        t.comment(JSON.stringify(load.counts))
        t.strictSame(failures, [], `/health/live answered all ${answers} times`)
        t.ok(answers > 0)
        t.strictSame(
          Object.keys(load.counts).filter((outcome) => outcome !== '201' && outcome !== '503 store_unavailable'),
          [],
          'nothing but 201 and 503 was answered',
        )
        assertAudit(t, system, claims)
        await assertListed(t, system, claims, users[0] as string)
        await assertNoDeadLetters(t, system)
      })
    }
    assertNoErrors(t, system)
  })
})

/** A write waits for its turn for some seconds before it is refused; what comes by message is then put off. */
async function untilRefused(system: System, service: Service, load: Load) {
  const paused = () => /consuming is paused/.test(readFileSync(system.process(`${service}-service`).logFile, 'utf8'))
  const refused = () => (load.counts['503 store_unavailable'] ?? 0) >= REFUSED
  await eventually(service === 'notifications' ? paused : refused, { what: `${service} refuses writes` })
}

/** Holds the file meanwhile: no write of the service gets in between. */
async function whileLocked(system: System, service: Service, begin: string, body: () => Promise<void>) {
  const db = new Database(join(dataDirOf(system), `${service}.sqlite`), { timeout: 0 })
  try {
    const begun = () => {
      db.exec(begin)
      return true
    }
    await eventually(begun, { what: `${begin} on ${service}.sqlite` })
    await body()
    db.exec('ROLLBACK')
  } finally {
    db.close()
  }
}

/** Asks every service for /health/live again and again. */
function pollLive(system: System) {
  let running = true
  let answers = 0
  const failures: string[] = []
  const pollers = services.map(async (service) => {
    const api = client(instanceUrl(system, service))
    while (running) {
      const { status } = await api('GET', '/health/live').catch((error: Error) => ({
        status: `${error.cause ?? error}`,
      }))
      if (status === 200) answers += 1
      else failures.push(`${service}: ${status}`)
      await delay(20)
    }
  })
  return {
    async stop() {
      running = false
      await Promise.all(pollers)
      return { answers, failures }
    },
  }
}

/** What a user sees in the list is exactly what got a 201. */
async function assertListed(t: Test, system: System, claims: Claims, userId: string) {
  const api = client(system.url, userId)
  const listed: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await api('GET', `/orders?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
    listed.push(...body.items.map(({ id }: { id: string }) => id))
    cursor = body.next
  }
  const accepted = [...claims.orders].filter(([, claim]) => claim.userId === userId).map(([id]) => id)
  t.strictSame(listed.toSorted(), accepted.toSorted(), 'the list has exactly the accepted orders')
}

async function assertNoDeadLetters(t: Test, system: System) {
  for (const service of services) {
    t.strictSame((await client(instanceUrl(system, service))('GET', '/admin/dead-letters')).body.items, [])
  }
}
