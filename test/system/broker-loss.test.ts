/** The broker is only a cache: killed, wiped, put back to an older state, down or stopped, it costs time and nothing else. */
import { randomUUID } from 'node:crypto'
import { cpSync, rmSync } from 'node:fs'
import { untilListening } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { type Claims, newClaims } from '../support/audit.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { assertAudit, metric, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

/** Requests before, between and after what befalls the broker. Nothing depends on how many they are. */
const REQUESTS = 100
const services = ['orders', 'payments', 'notifications'] as const

interface Run {
  system: System
  claims: Claims
  users: string[]
  seed: number
}

t.test('a broker that fails', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withSystem(t, {}, async (system) => {
    const claims = newClaims()
    const run = { system, claims, users: await fundedUsers(system.url, 5, claims), seed }
    await t.test('killed and wiped', (t) => wiped(t, run))
    await t.test('killed, and an older copy of its store put back', (t) => olderCopy(t, run))
    await t.test('down for a while', (t) => down(t, run))
    await t.test('stopped for a while (SIGSTOP)', (t) => stopped(t, run))
    await t.test('wiped before anybody had read its messages', (t) => wipedUnread(t, run))
    assertNoErrors(t, system)
  })
})

function natsOf({ nats }: System) {
  if (!nats) throw new Error('the system has no nats-server of its own')
  return nats
}

/** SIGKILL, and it stays down. */
async function killNats(system: System) {
  const nats = natsOf(system)
  nats.restart = false
  nats.kill('SIGKILL')
  await nats.exited()
  return nats
}

/** Returns the time from which on it accepts connections. */
async function startNats(system: System): Promise<number> {
  const nats = natsOf(system)
  nats.start()
  nats.restart = true
  await untilListening(nats.port, AbortSignal.timeout(30_000))
  return performance.now()
}

const load = (t: Test, { system, claims, users, seed }: Run) => startLoad({ t, url: system.url, seed, claims, users })

async function finish(t: Test, run: Run, running: ReturnType<typeof load>, what: string, since: number) {
  await running.accepted(REQUESTS)
  await running.stop()
  await untilSettled(t, run.system, what, since)
  t.comment(JSON.stringify(running.counts))
  t.strictSame(Object.keys(running.counts), ['201'], 'HTTP did not notice')
  assertAudit(t, run.system, run.claims)
}

async function wiped(t: Test, run: Run) {
  const running = load(t, run)
  await running.accepted(REQUESTS)
  const { storeDir } = await killNats(run.system)
  rmSync(storeDir, { recursive: true, force: true })
  await running.accepted(REQUESTS)
  const backAt = await startNats(run.system)
  await finish(t, run, running, 'broker back, its store empty', backAt)
}

async function olderCopy(t: Test, run: Run) {
  const { storeDir } = await killNats(run.system)
  const copy = `${storeDir}-copy`
  cpSync(storeDir, copy, { recursive: true })
  await startNats(run.system)
  const running = load(t, run)
  await running.accepted(2 * REQUESTS)
  await killNats(run.system)
  rmSync(storeDir, { recursive: true })
  cpSync(copy, storeDir, { recursive: true })
  const backAt = await startNats(run.system)
  await finish(t, run, running, 'broker back, its store an older copy', backAt)
}

/** What the services say while the broker is away. */
async function untilDegraded(t: Test, system: System) {
  const api = client(system.url)
  for (const part of services) {
    const degraded = async () => (await api('GET', `/status/${part}`)).body.nats === 'degraded'
    await eventually(degraded, { what: `/status/${part} says that NATS is degraded` })
  }
  const backlog = async () => (await api('GET', '/status/orders')).body.outboxBacklog > 0
  await eventually(backlog, { what: '/status/orders shows a backlog' })
  t.match((await api('GET', '/status/orders')).body, { nats: 'degraded', store: 'ok' })
  t.ok((await api('GET', '/status/orders')).body.oldestUnpublishedMs > 0, 'and how old it is')
  const ready = await client(`http://127.0.0.1:${system.ports.orders}`)('GET', '/health/ready')
  t.match(ready, { status: 200, body: { status: 'degraded', nats: 'degraded', store: 'ok' } }, 'degraded, not unready')
}

async function untilOk(system: System) {
  const api = client(system.url)
  for (const part of services) {
    const ok = async () => {
      const { body } = await api('GET', `/status/${part}`)
      return body.nats === 'ok' && body.outboxBacklog === 0
    }
    await eventually(ok, { what: `/status/${part} is well again` })
  }
}

async function down(t: Test, run: Run) {
  await killNats(run.system)
  const running = load(t, run)
  await untilDegraded(t, run.system)
  const orders = (name: string) => metric(run.system, 'orders', 1, name)
  t.equal(await orders('nats_connected'), 0, 'the metrics tell')
  t.ok((await orders('outbox_oldest_seconds')) > 0, 'and for how long events have been waiting')
  const backAt = await startNats(run.system)
  await finish(t, run, running, 'broker back after a while', backAt)
  await untilOk(run.system)
  t.strictSame([await orders('nats_connected'), await orders('outbox_oldest_seconds')], [1, 0])
}

async function stopped(t: Test, run: Run) {
  natsOf(run.system).pause()
  const running = load(t, run)
  await untilDegraded(t, run.system)
  natsOf(run.system).resume()
  await finish(t, run, running, 'broker goes on after SIGSTOP', performance.now())
  await untilOk(run.system)
}

/** Events that were published, and that nobody had read when the broker lost them: only the outbox has them still. */
async function wipedUnread(t: Test, { system, claims }: Run) {
  const readers = ['payments-service', 'notifications-service'].map((name) => system.process(name))
  for (const reader of readers) {
    // Not paused: the broker would send what they had asked for into their sockets.
    await reader.terminate(10_000)
  }
  const userId = `unread-${randomUUID().slice(0, 8)}`
  const email = `${userId}@example.com`
  const api = client(system.url, userId)
  t.equal((await api('POST', '/users', { name: 'Unread', email })).status, 201)
  claims.users.set(userId, email)
  const order = { amount: 5, description: `unread ${userId}` }
  const { status, body } = await api('POST', '/orders', order)
  t.equal(status, 201)
  claims.orders.set(body.id, { userId, ...order, end: 'failed' })
  const published = async () => (await api('GET', '/status/orders')).body.outboxBacklog === 0
  await eventually(published, { what: 'the events are published' })

  const { storeDir } = await killNats(system)
  rmSync(storeDir, { recursive: true, force: true })
  const backAt = await startNats(system)
  for (const reader of readers) {
    reader.start()
    reader.restart = true
  }
  await untilSettled(t, system, 'broker back and empty, what it lost had been read by nobody', backAt)
  await untilOk(system)
  assertAudit(t, system, claims)
}
