/** What payments-service keeps. The SQL is the truth; the drizzle tables beside it give the queries their types. */
import type { EntryKind } from '@checkout/contracts/http.ts'
import type { FailureReason } from '@checkout/contracts/values.ts'
import type { Migration } from '@checkout/store/engine.ts'
import { postgresText } from '@checkout/store/postgres.ts'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

const created = `
  CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),
    entries INTEGER NOT NULL, -- how many the ledger has for it: the number of the last one
    currency TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- The ledger: append-only, numbered per account, each entry with the balance after it, so that at any time
  -- balance = last entry's balance_after = sum of the signed entries.
  CREATE TABLE transactions (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES accounts (user_id),
    number INTEGER NOT NULL CHECK (number > 0),
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'debit')),
    amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    balance_after INTEGER NOT NULL CHECK (balance_after BETWEEN 0 AND 9007199254740991),
    order_id TEXT UNIQUE, -- one debit per order, whatever happens before it
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, number),
    CHECK ((kind = 'debit') = (order_id IS NOT NULL))
  ) STRICT, WITHOUT ROWID;

  -- One decision per order, for debit and decline alike, never deleted: a decline sticks.
  CREATE TABLE decisions (
    order_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('paid', 'declined')),
    reason TEXT CHECK ((reason IS NOT NULL) = (outcome = 'declined')),
    transaction_id TEXT CHECK ((transaction_id IS NOT NULL) = (outcome = 'paid')),
    decided_at INTEGER NOT NULL,
    event_id TEXT NOT NULL, -- of the event that announces it, also when it is sent again
    emitted_at INTEGER NOT NULL,
    -- The order's event as it arrived: id, place in the stream, delivery, time. Only for the journey.
    cause_event_id TEXT NOT NULL,
    cause_seq INTEGER NOT NULL,
    cause_deliveries INTEGER NOT NULL,
    cause_received_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;`

/** The ledger is append-only, for whoever comes. */
const appendOnly = {
  sqlite: `
  CREATE TRIGGER transactions_no_update BEFORE UPDATE ON transactions
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  CREATE TRIGGER transactions_no_delete BEFORE DELETE ON transactions
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;`,
  // Not for a superuser, who may do everything.
  postgres: 'REVOKE UPDATE, DELETE, TRUNCATE ON transactions FROM CURRENT_USER;',
}

export const migrations: readonly Migration[] = [
  {
    name: 'payments/1',
    sql: created + appendOnly.sqlite,
    postgres: postgresText(created) + appendOnly.postgres,
  },
]

export const accounts = sqliteTable('accounts', {
  userId: text('user_id').primaryKey(),
  balance: integer('balance').notNull(),
  entries: integer('entries').notNull(),
  currency: text('currency').notNull(),
  createdAt: integer('created_at').notNull(),
})

export const transactions = sqliteTable('transactions', {
  id: text('id').notNull(),
  userId: text('user_id').notNull(),
  number: integer('number').notNull(),
  kind: text('kind').notNull().$type<EntryKind>(),
  amount: integer('amount').notNull(),
  balanceAfter: integer('balance_after').notNull(),
  orderId: text('order_id').unique(),
  createdAt: integer('created_at').notNull(),
})

export const decisions = sqliteTable('decisions', {
  orderId: text('order_id').primaryKey(),
  userId: text('user_id').notNull(),
  amount: integer('amount').notNull(),
  outcome: text('outcome').notNull().$type<'paid' | 'declined'>(),
  reason: text('reason').$type<FailureReason>(),
  transactionId: text('transaction_id'),
  decidedAt: integer('decided_at').notNull(),
  eventId: text('event_id').notNull(),
  emittedAt: integer('emitted_at').notNull(),
  causeEventId: text('cause_event_id').notNull(),
  causeSeq: integer('cause_seq').notNull(),
  causeDeliveries: integer('cause_deliveries').notNull(),
  causeReceivedAt: integer('cause_received_at').notNull(),
})
