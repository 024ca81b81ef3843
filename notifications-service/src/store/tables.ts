/** What notifications-service keeps. The SQL is the truth; the drizzle tables beside it give the queries their types. */
import type { LetterKind, MailState } from '@checkout/contracts/http.ts'
import type { Migration } from '@checkout/store/engine.ts'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const migrations: readonly Migration[] = [
  {
    name: 'notifications/1',
    sql: `
      CREATE TABLE contacts (
        user_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- The number of each user's newest letter: it grows in the letter's transaction, so seq has no gaps.
      CREATE TABLE mailboxes (
        user_id TEXT PRIMARY KEY,
        last_seq INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- The letters; with mail = 'queued' also the mailer's outbox.
      CREATE TABLE letters (
        user_id TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq > 0),
        id TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('order_paid', 'order_failed', 'message')),
        order_id TEXT,
        to_address TEXT,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        mail TEXT NOT NULL CHECK (mail IN ('none', 'queued', 'sent', 'failed')),
        mail_attempts INTEGER NOT NULL DEFAULT 0,
        mail_due_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        sent_at INTEGER CHECK ((sent_at IS NOT NULL) = (mail = 'sent')),
        -- The order's event as it arrived: id, place in the stream, delivery, time.
        cause_event_id TEXT,
        cause_seq INTEGER,
        cause_deliveries INTEGER,
        cause_received_at INTEGER,
        PRIMARY KEY (user_id, seq),
        UNIQUE (order_id, kind)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX letters_mail_due ON letters (mail_due_at) WHERE mail = 'queued';
      CREATE INDEX letters_without_address ON letters (user_id) WHERE to_address IS NULL;`,
  },
  {
    name: 'addressing/1',
    sql: `
      -- Users whose address became known after more letters than one transaction fills it in.
      CREATE TABLE addressing (user_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`,
  },
  {
    // From here on mail_due_at is no time of the wall clock but an age of the file.
    name: 'notifications-age/1',
    sql: "UPDATE letters SET mail_due_at = 0 WHERE mail = 'queued'",
  },
  {
    // A letter of joy and one of sorrow for one order cannot both be. Where an older version has written both, the key is
    // that of joy.
    name: 'letters-outcome/1',
    sql: `
      ALTER TABLE letters ADD COLUMN outcome_of TEXT;
      UPDATE letters SET outcome_of = order_id WHERE kind = 'order_paid';
      UPDATE letters SET outcome_of = order_id WHERE kind = 'order_failed'
        AND NOT EXISTS (SELECT 1 FROM letters joy WHERE joy.order_id = letters.order_id AND joy.kind = 'order_paid');
      CREATE UNIQUE INDEX letters_outcome_of ON letters (outcome_of);`,
  },
]

export const addressing = sqliteTable('addressing', { userId: text('user_id').primaryKey() })

export const contacts = sqliteTable('contacts', {
  userId: text('user_id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  createdAt: integer('created_at').notNull(),
})

export const mailboxes = sqliteTable('mailboxes', {
  userId: text('user_id').primaryKey(),
  lastSeq: integer('last_seq').notNull(),
})

export const letters = sqliteTable('letters', {
  userId: text('user_id').notNull(),
  seq: integer('seq').notNull(),
  id: text('id').notNull(),
  kind: text('kind').notNull().$type<LetterKind>(),
  orderId: text('order_id'),
  to: text('to_address'),
  subject: text('subject').notNull(),
  body: text('body').notNull(),
  mail: text('mail').notNull().$type<MailState>(),
  mailAttempts: integer('mail_attempts').notNull().default(0),
  /** The file's age `schedule` at which it is mailed. */
  mailDueAt: integer('mail_due_at').notNull(),
  createdAt: integer('created_at').notNull(),
  sentAt: integer('sent_at'),
  causeEventId: text('cause_event_id'),
  causeSeq: integer('cause_seq'),
  causeDeliveries: integer('cause_deliveries'),
  causeReceivedAt: integer('cause_received_at'),
  /** The order whose outcome it tells: the key of joy and sorrow. */
  outcomeOf: text('outcome_of'),
})
