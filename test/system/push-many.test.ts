/**
 * A thousand users, each with a WebSocket, on two instances, while orders settle and everything that can break does:
 * clients lose their connections, an instance is killed, the broker is killed. Every connection brings each letter once
 * and in order, and in the end every user has seen exactly the own letters.
 */
import type { Letter } from '@checkout/contracts/http.ts'
import { untilListening } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed, seededRandom } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { type Claims, newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { type Follower, follow } from '../support/follower.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, metric, untilReady, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const USERS = 1_000
/** Their orders are paid; those of the others, who are not registered, fail. There is a letter about each. */
const FUNDED = 100
/** Of the users: they get no order, only a message each while the broker is down. No later letter makes up for it. */
const QUIET = 100
const ORDERS_PER_SECOND = 100
/** A machine that is too slow for the rate gets fewer; what it missed follows when it can. */
const IN_FLIGHT_MAX = 100
/** Placed before, between and after the kills, at least. */
const ORDERS = 300
const DROP_EVERY_MS = 20
/** How many letters a client now and then pretends not to have seen. */
const BACK_MAX = 5
const WORKERS = 20

type Random = () => number

interface Run {
  system: System
  seed: number
  random: Random
  claims: Claims
  /** Sentences about broken promises, first one first. */
  wrong: string[]
}

const seed = newSeed()
t.comment(`seed ${seed}`)

t.test('every push to everybody', async (t) => {
  await withSystem(t, { instances: 2 }, async (system) => {
    const run: Run = { system, seed, random: seededRandom(seed), claims: newClaims(), wrong: [] }
    const startedAt = performance.now()
    const funded = await fundedUsers(system.url, FUNDED, run.claims)
    const strangers = Array.from({ length: USERS - FUNDED }, (_, i) => `stranger-${i}`)
    const followers = await followAll(t, run, [...funded, ...strangers])
    const quiet = strangers.slice(-QUIET)
    const buyers = [...funded, ...strangers.slice(0, -QUIET)]
    t.comment(`${USERS} connections after ${seconds(startedAt)} s`)

    const orders = startOrders(t, run, buyers)
    const stopDrops = startDrops(t, run, followers)
    await orders.placed(ORDERS)
    await killInstance(t, run)
    await orders.placed(ORDERS)
    await killBroker(t, run, quiet)
    await orders.placed(ORDERS)
    await orders.stop()
    stopDrops()
    await untilSettled(t, system, 'the load')
    await compare(t, run, followers)
    report(t, followers, startedAt)
    assertAudit(t, system, run.claims)
    assertNoErrors(t, system)
  })
})

const seconds = (since: number) => ((performance.now() - since) / 1_000).toFixed(1)

async function followAll(t: Test, { system, seed, random, wrong }: Run, users: readonly string[]) {
  const onWrong = (sentence: string) => {
    if (wrong.length === 0) t.fail(`seed ${seed}: ${sentence}`)
    wrong.push(sentence)
  }
  const followers = users.map((userId) => follow({ url: system.url, userId, random, onWrong }))
  t.teardown(() => Promise.all(followers.map((one) => one.stop())))
  const waiting = () => followers.filter((one) => !one.ready).length
  await eventually(() => waiting() === 0, { what: 'every user is connected', deadlineMs: 60_000 })
  const open = await Promise.all([1, 2].map((k) => metric(system, 'notifications', k, 'websocket_connections')))
  t.ok(Math.min(...open) > USERS / 4, `${open.join(' and ')} on the instances`)
  return followers
}

/** Orders at a steady rate until stopped; then waits for the answers. */
function startOrders(t: Test, { system, claims, random }: Run, users: readonly string[]) {
  const under = new Set<Promise<void>>()
  const startedAt = performance.now()
  let made = 0
  const order = async (userId: string, description: string) => {
    const amount = 1 + Math.floor(random() * 100)
    const answer = await client(system.url, userId)('POST', '/orders', { amount, description })
    if (answer.status !== 201) return t.fail(`POST /orders: ${answer.status} ${answer.body?.code}`)
    const end = userId.startsWith('stranger') ? 'failed' : 'paid'
    claims.orders.set(answer.body.id, { userId, amount, description, end })
  }
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * ORDERS_PER_SECOND
    for (; made < due && under.size < IN_FLIGHT_MAX; made += 1) {
      const userId = users[Math.floor(random() * users.length)] as string
      const sent = order(userId, `order ${made}`)
        .catch((error: Error) => t.fail(`POST /orders: ${error.message}`))
        .then(() => void under.delete(sent))
      under.add(sent)
    }
  }, 10)
  t.teardown(() => clearInterval(timer))
  return {
    /** Resolves when so many more have been accepted. */
    async placed(count: number) {
      const wanted = claims.orders.size + count
      await eventually(() => claims.orders.size >= wanted, { what: `${count} more orders` })
    },
    async stop() {
      clearInterval(timer)
      t.comment(`${made} orders in ${seconds(startedAt)} s`)
      await Promise.all(under)
    },
  }
}

/** Ends a connection now and then: some with a close frame, some cut off, some coming back as if they had seen less. */
function startDrops(t: Test, { random }: Run, followers: readonly Follower[]) {
  const timer = setInterval(() => {
    const one = followers[Math.floor(random() * followers.length)] as Follower
    const back = random() < 0.3 ? Math.floor(random() * BACK_MAX) : 0
    one.drop(random() < 0.3 ? 'close' : 'cut', back)
  }, DROP_EVERY_MS)
  const stop = () => clearInterval(timer)
  t.teardown(stop)
  return stop
}

async function killInstance(t: Test, { system }: Run) {
  const victim = system.process('notifications-service', 1)
  const { pid } = victim
  t.ok(victim.kill('SIGKILL'), 'an instance is killed')
  await eventually(() => victim.pid !== undefined && victim.pid !== pid, { what: 'it is started again' })
  await untilReady(system)
}

/** The broker is killed and keeps its store. Letters that are written while it is down: nobody is woken by them. */
async function killBroker(t: Test, { system, random }: Run, quiet: readonly string[]) {
  const { nats } = system
  if (!nats) throw new Error('the system has no nats-server of its own')
  nats.restart = false
  t.ok(nats.kill('SIGKILL'), 'the broker is killed')
  await nats.exited()
  await eachOf(quiet, async (userId) => {
    const letter = { subject: 'Quiet', body: `Nobody announces this one: ${random()}` }
    const { status } = await client(system.url, userId)('POST', '/notifications', letter)
    if (status !== 201) t.fail(`POST /notifications without a broker: ${status}`)
  })
  nats.start()
  nats.restart = true
  await untilListening(nats.port, AbortSignal.timeout(30_000))
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>) {
  const waiting = items[Symbol.iterator]()
  const worker = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

/** What each user has seen is what GET /notifications lists, and nothing of it is missing. */
async function compare(t: Test, { system, seed, wrong }: Run, followers: readonly Follower[]) {
  const settledAt = performance.now()
  const stored = new Map(
    query<{ user_id: string; last_seq: number }>(dataDirOf(system), 'notifications', 'SELECT * FROM mailboxes').map(
      (row) => [row.user_id, row.last_seq],
    ),
  )
  const behind = () => followers.filter(({ userId, letters }) => letters.length < (stored.get(userId) ?? 0))
  const complete = () => behind().length === 0 || Promise.reject(new Error(`${behind().length} users wait`))
  await eventually(complete, { what: `seed ${seed}: every user has seen every letter` })
  t.comment(`all pushes were there ${seconds(settledAt)} s after the last letter was stored`)

  const different: string[] = []
  await eachOf(followers, async ({ userId, letters }) => {
    const { body } = await client(system.url, userId)('GET', '/notifications?limit=100')
    const listed: Letter[] = body.items.toReversed()
    const pushed = letters.map(({ type: _, ...letter }) => letter)
    if (body.next !== null) different.push(`${userId} has more than one page of letters`)
    if (JSON.stringify(pushed) !== JSON.stringify(listed)) {
      different.push(`${userId}: pushed ${JSON.stringify(pushed)}, listed ${JSON.stringify(listed)}`)
    }
  })
  t.strictSame(different.slice(0, 3), [], `seed ${seed}: what was pushed is what is listed`)
  t.strictSame(wrong.slice(0, 20), [], `seed ${seed}: no connection brought what it must not`)
}

function report(t: Test, followers: readonly Follower[], startedAt: number) {
  const sum = (count: (one: Follower) => number) => followers.reduce((total, one) => total + count(one), 0)
  const ends: Record<string, number> = {}
  for (const follower of followers) {
    for (const [how, times] of Object.entries(follower.ends)) ends[how] = (ends[how] ?? 0) + times
  }
  t.comment(`${sum(({ letters }) => letters.length)} letters over ${sum(({ readies }) => readies)} connections`)
  t.comment(`connections ended: ${JSON.stringify(ends)}; ${seconds(startedAt)} s in all`)
}
