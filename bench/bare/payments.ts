/** Debits each order once, or declines it. `node payments.ts <folder> <NATS url>` */
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { consume, openBare, relay } from './pipeline.ts'

/** Enough for every order but those that nobody can afford. */
const BALANCE = 100_000_000_000
const [folder = '.', url = ''] = process.argv.slice(2)
const bare = openBare(
  join(folder, 'payments.sqlite'),
  `CREATE TABLE accounts (user_id TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT;
   CREATE TABLE transactions (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, order_id TEXT NOT NULL UNIQUE,
     amount INTEGER NOT NULL, balance_after INTEGER NOT NULL) STRICT;`,
)
const nats = await connect({ servers: url })
const open = bare.db.prepare('INSERT OR IGNORE INTO accounts VALUES (?, ?)')
const take = bare.db
  .prepare('UPDATE accounts SET balance = balance - ? WHERE user_id = ? AND balance >= ? RETURNING balance')
  .pluck()
const debit = bare.db.prepare('INSERT INTO transactions (user_id, order_id, amount, balance_after) VALUES (?, ?, ?, ?)')

void consume(
  bare,
  nats,
  { stream: 'ORDERS', subject: 'orders.created', durable: 'payments' },
  ({ data }) => {
    open.run(data.userId, BALANCE)
    const balance = take.get(data.amount, data.userId, data.amount)
    if (balance !== undefined) debit.run(data.userId, data.orderId, data.amount, balance)
    bare.append(balance === undefined ? 'payments.failed' : 'payments.succeeded', data)
  },
  relay(bare, nats),
)
process.send?.({})
