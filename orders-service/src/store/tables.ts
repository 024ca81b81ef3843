/** What orders-service keeps. The SQL is the truth; the drizzle tables beside it give the queries their types. */
import type { OrderStatus } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import type { Migration } from '@checkout/store/engine.ts'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const migrations: readonly Migration[] = [
  {
    name: 'orders/1',
    sql: `
      CREATE TABLE users (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE orders (
        seq INTEGER PRIMARY KEY, -- the order of insertion, by which lists are sorted
        id TEXT NOT NULL UNIQUE,
        user_id TEXT NOT NULL,
        amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
        currency TEXT NOT NULL,
        description TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'failed')),
        failure_reason TEXT CHECK ((failure_reason IS NOT NULL) = (status = 'failed')),
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        user_registered INTEGER NOT NULL CHECK (user_registered IN (0, 1)),
        created_event_id TEXT NOT NULL,
        -- The outcome as it arrived: event, place in the stream, delivery, time.
        outcome_event_id TEXT,
        outcome_seq INTEGER,
        outcome_deliveries INTEGER,
        outcome_received_at INTEGER,
        sweeps INTEGER NOT NULL DEFAULT 0,
        sweep_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX orders_user ON orders (user_id, seq);
      CREATE INDEX orders_user_status ON orders (user_id, status, seq);
      CREATE INDEX orders_sweep ON orders (sweep_at) WHERE status = 'pending';`,
  },
  {
    // From here on sweep_at is no time of the wall clock but an age of the file.
    name: 'orders-age/1',
    sql: "UPDATE orders SET sweep_at = 30000 WHERE status = 'pending'",
  },
]

export const users = sqliteTable('users', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  createdAt: integer('created_at').notNull(),
})

export const orders = sqliteTable('orders', {
  seq: integer('seq').primaryKey(),
  id: text('id').notNull().unique(),
  userId: text('user_id').notNull(),
  amount: integer('amount').notNull(),
  currency: text('currency').notNull(),
  description: text('description').notNull(),
  status: text('status').notNull().default('pending').$type<OrderStatus>(),
  failureReason: text('failure_reason').$type<FailureReason>(),
  createdAt: integer('created_at').notNull(),
  updatedAt: integer('updated_at').notNull(),
  userRegistered: integer('user_registered', { mode: 'boolean' }).notNull(),
  createdEventId: text('created_event_id').notNull(),
  outcomeEventId: text('outcome_event_id'),
  outcomeSeq: integer('outcome_seq'),
  outcomeDeliveries: integer('outcome_deliveries'),
  outcomeReceivedAt: integer('outcome_received_at'),
  sweeps: integer('sweeps').notNull().default(0),
  /** The file's age `schedule` at which it is swept. */
  sweepAt: integer('sweep_at').notNull(),
})
