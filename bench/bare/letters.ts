/** Writes one letter per order. `node letters.ts <folder> <NATS url>`; tells its parent the number of letters when asked. */
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { consume, openBare } from './pipeline.ts'

const [folder = '.', url = ''] = process.argv.slice(2)
const bare = openBare(
  join(folder, 'letters.sqlite'),
  `CREATE TABLE letters (seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL, order_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
     created_at INTEGER NOT NULL) STRICT;`,
)
const nats = await connect({ servers: url })
const write = bare.db.prepare('INSERT INTO letters (user_id, order_id, body, created_at) VALUES (?, ?, ?, ?)')
const newest = bare.db.prepare('SELECT count(*) AS letters, max(created_at) AS at FROM letters')

for (const outcome of ['paid', 'failed']) {
  void consume(
    bare,
    nats,
    { stream: 'ORDERS', subject: `orders.${outcome}`, durable: `letters-${outcome}` },
    ({ type, data }) => void write.run(data.userId, data.orderId, `${type}: ${data.amount}`, Date.now()),
    () => {},
  )
}
process.on('message', () => process.send?.(newest.get()))
process.send?.({})
