/** A hundred copies of an event, under other message ids and event ids, from strangers: one effect. */
import { randomUUID } from 'node:crypto'
import { parseUrl } from '@checkout/messaging/nats-url.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query, type Service } from '../support/books.ts'
import { fundedUsers } from '../support/load.ts'
import { assertAudit, untilReady, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const COPIES = 100
type Event = { id: string; type: string; data: { orderId?: string } }

t.test('duplicates', async (t) => {
  await withSystem(t, { instances: 2 }, async (system) => {
    const strangers = await Promise.all([1, 2].map(() => connect(parseUrl(system.natsUrl))))
    try {
      await t.test('of a decided order change nothing', (t) => afterwards(t, system, strangers))
      await t.test('that race the original over two instances make one debit', (t) => racing(t, system, strangers))
      await t.test('of a declined order, after a top-up, leave it declined', (t) => declined(t, system, strangers))
      await t.test('and the relays find their streams again', (t) => resync(t, system))
    } finally {
      await Promise.all(strangers.map((nc) => nc.close()))
    }
    assertNoErrors(t, system)
  })
})

/** The event as it is in the stream. */
async function published(nc: NatsConnection, stream: string, type: string, orderId: string): Promise<Event> {
  const manager = await jetstreamManager(nc)
  return eventually(
    async () => {
      const { state } = await manager.streams.info(stream)
      for (let seq = state.last_seq; seq >= Math.max(1, state.first_seq); seq--) {
        const event = (await manager.streams.getMessage(stream, { seq }))?.json<Event>()
        if (event?.type === type && event.data.orderId === orderId) return event
      }
      return undefined
    },
    { what: `${type} of ${orderId} is in ${stream}` },
  )
}

/** Every second copy has an event id of its own too; they come from all connections in turn. */
async function copies(strangers: NatsConnection[], event: Event, count = COPIES) {
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const nc = strangers[i % strangers.length] as NatsConnection
      const copy = i % 4 < 2 ? event : { ...event, id: randomUUID() }
      await jetstream(nc).publish(event.type, JSON.stringify(copy), { msgID: randomUUID() })
    }),
  )
}

/** Waits until a durable has nothing left to deliver and nothing unacknowledged. */
async function consumed(nc: NatsConnection, stream: string, service: Service, type: string) {
  const manager = await jetstreamManager(nc)
  const durable = `${service}-service_${type.replaceAll('.', '-')}`
  await eventually(
    async () => {
      const info = await manager.consumers.info(stream, durable)
      return info.num_pending + info.num_ack_pending === 0
    },
    { what: `${durable} has consumed everything`, deadlineMs: 60_000 },
  )
}

/** What there is about one order, counted in the files. */
function effects(system: System, orderId: string) {
  const rows = <T>(service: Service, sql: string) => query<T>(dataDirOf(system), service, sql, orderId)
  return {
    decisions: rows('payments', 'SELECT outcome FROM decisions WHERE order_id = ?'),
    debits: rows('payments', 'SELECT amount FROM transactions WHERE order_id = ?'),
    order: rows('orders', 'SELECT status, updated_at, outcome_event_id FROM orders WHERE id = ?'),
    ends: rows('orders', "SELECT type FROM outbox WHERE correlation_id = ? AND type <> 'orders.created.v1'"),
    letters: rows('notifications', 'SELECT kind, id FROM letters WHERE order_id = ?'),
  }
}

async function settledOrder(system: System, user: string, amount: number): Promise<string> {
  const { body } = await client(system.url, user)('POST', '/orders', { amount, description: `order ${randomUUID()}` })
  await eventually(() => effects(system, body.id).letters.length === 1, { what: `the letter about ${body.id}` })
  return body.id
}

async function userWith(system: System, amount: number): Promise<string> {
  const user = `dup-${randomUUID().slice(0, 8)}`
  const api = client(system.url, user)
  await api('POST', '/users', { name: 'Dup', email: 'dup@example.com' })
  await eventually(async () => (await api('GET', '/accounts/me')).status === 200, { what: 'the account' })
  await api('POST', '/accounts/me/deposits', { amount })
  return user
}

const balance = async (system: System, user: string) =>
  (await client(system.url, user)('GET', '/accounts/me')).body.balance as number

async function afterwards(t: Test, system: System, strangers: NatsConnection[]) {
  const [nc] = strangers as [NatsConnection, NatsConnection]
  const user = await userWith(system, 1_000)
  const orderId = await settledOrder(system, user, 300)
  const before = effects(system, orderId)
  const ways = [
    ['ORDERS', 'orders.created.v1', 'payments'],
    ['PAYMENTS', 'payments.succeeded.v1', 'orders'],
    ['ORDERS', 'orders.paid.v1', 'notifications'],
  ] as const
  for (const [stream, type, reader] of ways) {
    await copies(strangers, await published(nc, stream, type, orderId))
    await consumed(nc, stream, reader, type)
    t.strictSame(effects(system, orderId), before, `${COPIES} copies of ${type} changed nothing`)
  }
  t.match(before, { decisions: { length: 1 }, debits: { length: 1 }, ends: { length: 1 }, letters: { length: 1 } })
  t.equal(await balance(system, user), 700)
}

async function racing(t: Test, system: System, strangers: NatsConnection[]) {
  const [nc] = strangers as [NatsConnection, NatsConnection]
  const user = await userWith(system, 1_000)
  await consumed(nc, 'ORDERS', 'payments', 'orders.created.v1')
  const instances = [1, 2].map((k) => system.process('payments-service', k))
  for (const instance of instances) instance.pause()
  const api = client(system.url, user)
  const order = await api('POST', '/orders', { amount: 300, description: 'raced' })
  t.equal(order.status, 201, 'orders are taken while payments stands still')
  const event = await published(nc, 'ORDERS', 'orders.created.v1', order.body.id)
  await copies(strangers, event)
  for (const instance of instances) instance.resume()
  await eventually(() => effects(system, order.body.id).letters.length > 0, { what: 'the letter' })
  await consumed(nc, 'ORDERS', 'payments', 'orders.created.v1')
  const { decisions, debits, ends, letters } = effects(system, order.body.id)
  t.strictSame(decisions, [{ outcome: 'paid' }], 'one decision')
  t.strictSame(debits, [{ amount: 300 }], 'one debit')
  t.strictSame(ends, [{ type: 'orders.paid.v1' }], 'one change of status')
  t.equal(letters.length, 1, 'one letter')
  await untilReady(system)
  t.equal(await balance(system, user), 700)
}

async function declined(t: Test, system: System, strangers: NatsConnection[]) {
  const [nc] = strangers as [NatsConnection, NatsConnection]
  const user = await userWith(system, 100)
  const orderId = await settledOrder(system, user, 300)
  const before = effects(system, orderId)
  t.match(before, { decisions: [{ outcome: 'declined' }], debits: [], order: [{ status: 'failed' }] })
  const { status } = await client(system.url, user)('POST', '/accounts/me/deposits', { amount: 10_000 })
  t.equal(status, 201)
  await copies(strangers, await published(nc, 'ORDERS', 'orders.created.v1', orderId))
  await consumed(nc, 'ORDERS', 'payments', 'orders.created.v1')
  t.strictSame(effects(system, orderId), before, 'a decline sticks')
  t.equal(await balance(system, user), 10_100)
}

async function resync(t: Test, system: System) {
  const claims = newClaims()
  const [user] = (await fundedUsers(system.url, 1, claims)) as [string]
  const orderId = await settledOrder(system, user, 500)
  t.match(effects(system, orderId), { order: [{ status: 'paid' }], debits: { length: 1 }, letters: { length: 1 } })
  await untilSettled(t, system, 'after strangers wrote to the streams')
  const strangersToClaims = query<{ id: string; user_id: string; amount: number; description: string }>(
    dataDirOf(system),
    'orders',
    'SELECT id, user_id, amount, description FROM orders',
  )
  for (const { id, user_id: userId, amount, description } of strangersToClaims) {
    claims.orders.set(id, { userId, amount, description })
  }
  claims.unclearMoves = 4 // the deposits of the users above
  assertAudit(t, system, claims)
}
