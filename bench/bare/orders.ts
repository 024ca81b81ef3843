/** Takes orders at POST /orders and settles them. `node orders.ts <folder> <NATS url>`; sends its port to its parent. */
import { join } from 'node:path'
import { jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import fastify from 'fastify'
import { consume, openBare, relay } from './pipeline.ts'

const [folder = '.', url = ''] = process.argv.slice(2)
const bare = openBare(
  join(folder, 'orders.sqlite'),
  `CREATE TABLE orders (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, amount INTEGER NOT NULL, status TEXT NOT NULL,
     created_at INTEGER NOT NULL) STRICT;
   CREATE INDEX orders_user ON orders (user_id, created_at);`,
)
const nats = await connect({ servers: url })
const manager = await jetstreamManager(nats)
for (const name of ['orders', 'payments']) {
  await manager.streams.add({ name: name.toUpperCase(), subjects: [`${name}.>`], storage: StorageType.File })
}
const publish = relay(bare, nats)
const place = bare.db.prepare(`INSERT INTO orders VALUES (?, ?, ?, 'pending', ?)`)
const settle = bare.db.prepare(`UPDATE orders SET status = ? WHERE id = ? AND status = 'pending'`)

const body = { type: 'object', required: ['amount'], properties: { amount: { type: 'integer', minimum: 1 } } }
const placed = { type: 'object', properties: { id: { type: 'string' }, status: { type: 'string' } } }
const app = fastify()
app.post('/orders', { schema: { body, response: { 201: placed } } }, async (request, reply) => {
  const order = {
    orderId: crypto.randomUUID(),
    userId: String(request.headers['x-user-id']),
    amount: amountOf(request.body),
  }
  await bare.write(() => {
    place.run(order.orderId, order.userId, order.amount, Date.now())
    bare.append('orders.created', order)
  })
  void publish()
  return reply.code(201).send({ id: order.orderId, status: 'pending' })
})
const amountOf = (value: unknown) => (value as { amount: number }).amount

await app.listen({ port: 0, host: '127.0.0.1' })
void consume(
  bare,
  nats,
  { stream: 'PAYMENTS', subject: 'payments.>', durable: 'orders' },
  ({ type, data }) => {
    const status = type === 'payments.succeeded' ? 'paid' : 'failed'
    if (settle.run(status, data.orderId).changes === 1) bare.append(`orders.${status}`, data)
  },
  publish,
)
process.send?.({ port: (app.server.address() as { port: number }).port })
