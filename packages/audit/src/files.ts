/**
 * The books as the services' files have them, checked while they are read: sorted cursors, merged by order and by user, so
 * that a million orders take no more memory than one. Reads only, on connections of its own, and works while the services
 * run; as long as it reads, their WAL files cannot be reset.
 *
 * Each file is read as of one moment, but the three have no common one: they begin milliseconds apart, and what an order
 * under way did meanwhile disagrees. To tell that from what is wrong, stop the services or look a second time.
 */
import { join } from 'node:path'
import { type Part, parts, services } from '@checkout/contracts/services.ts'
import Database from 'better-sqlite3'
import type { Account, Announcement, Decision, Entry, LetterRow, Money, OrderRow } from './books.ts'
import { checkAccount, checkMailbox, checkMoney, checkOrder, checkUser, type Mistake, noMoney } from './laws.ts'
import { type Groups, groupBy, keysOf } from './merge.ts'

/**
 * Checks the files of a folder; with `shown` only those of some services, and then only what these show.
 *
 * @throws when a file is not there or cannot be read
 */
export function* auditFiles(folder: string, shown: readonly Part[] = parts): Generator<Mistake> {
  const files = openFiles(folder, shown)
  try {
    yield* auditOrders(files)
    yield* auditUsers(files)
  } finally {
    files.close()
  }
}

interface Files {
  /** Rows in the order of their `key`, which the SQL has to see to; undefined when the service's file is not shown. */
  groups<T>(part: Part, key: keyof T, sql: string): Groups<T> | undefined
  /** The first column of the first row. */
  value(part: Part, sql: string): unknown
  close(): void
}

function openFiles(folder: string, shown: readonly Part[]): Files {
  const opened = new Map<Part, Database.Database>()
  const groups: Groups<unknown>[] = []
  const close = () => {
    for (const group of groups) group.close()
    for (const db of opened.values()) db.close()
  }
  try {
    for (const part of shown) {
      opened.set(part, new Database(join(folder, services[part].file), { readonly: true, fileMustExist: true }))
    }
    // The moment of a file is that of the first read of its transaction.
    for (const db of opened.values()) db.exec('BEGIN; SELECT 1 FROM sqlite_schema')
  } catch (error) {
    close()
    throw error
  }
  return {
    groups<T>(part: Part, key: keyof T, sql: string) {
      const rows = opened.get(part)?.prepare<[], T>(sql).iterate()
      if (!rows) return undefined
      const found = groupBy(rows, (row) => String(row[key]))
      groups.push(found)
      return found
    },
    value: (part, sql) => opened.get(part)?.prepare(sql).pluck().get(),
    close,
  }
}

const ENTRY = 'id, user_id AS userId, number, kind, amount, balance_after AS balanceAfter, order_id AS orderId'
const LETTER = 'seq, user_id AS userId, kind, order_id AS orderId, to_address AS "to"'

function* auditOrders(files: Files): Generator<Mistake> {
  const orders = files.groups<OrderRow>(
    'orders',
    'id',
    'SELECT id, user_id AS userId, amount, status, failure_reason AS failureReason FROM orders ORDER BY id',
  )
  const announcements = files.groups<Announcement>(
    'orders',
    'orderId',
    `SELECT correlation_id AS orderId, type, event_id AS eventId FROM outbox
       WHERE type IN ('orders.paid.v1', 'orders.failed.v1') ORDER BY correlation_id`,
  )
  const decisions = files.groups<Decision>(
    'payments',
    'orderId',
    `SELECT order_id AS orderId, user_id AS userId, amount, outcome, reason, transaction_id AS transactionId
       FROM decisions ORDER BY order_id`,
  )
  const debits = files.groups<Entry>(
    'payments',
    'orderId',
    `SELECT ${ENTRY}
       FROM transactions WHERE order_id IS NOT NULL ORDER BY order_id`,
  )
  const letters = files.groups<LetterRow>(
    'notifications',
    'orderId',
    `SELECT ${LETTER}
       FROM letters WHERE order_id IS NOT NULL ORDER BY order_id`,
  )
  // Events leave the outbox, oldest first, when all have read them: then one that is not there says nothing.
  const forgotten = files.value(
    'orders',
    `SELECT coalesce((SELECT min(id) FROM outbox), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'outbox'), 1) > 1`,
  )
  for (const id of keysOf(orders, announcements, decisions, debits, letters)) {
    const announced = announcements?.takeAll(id)
    yield* checkOrder({
      id,
      orders: orders?.takeAll(id),
      announcements: forgotten && announced?.length === 0 ? undefined : announced,
      decisions: decisions?.takeAll(id),
      debits: debits?.takeAll(id),
      letters: letters?.takeAll(id),
    })
  }
}

function* auditUsers(files: Files): Generator<Mistake> {
  const users = files.groups<{ id: string; email: string }>('orders', 'id', 'SELECT id, email FROM users ORDER BY id')
  const accounts = files.groups<Account>(
    'payments',
    'userId',
    'SELECT user_id AS userId, balance, entries FROM accounts ORDER BY user_id',
  )
  const entries = files.groups<Entry>(
    'payments',
    'userId',
    `SELECT ${ENTRY}
       FROM transactions ORDER BY user_id, number`,
  )
  const contacts = files.groups<{ userId: string; email: string }>(
    'notifications',
    'userId',
    'SELECT user_id AS userId, email FROM contacts ORDER BY user_id',
  )
  const mailboxes = files.groups<{ userId: string; lastSeq: number }>(
    'notifications',
    'userId',
    'SELECT user_id AS userId, last_seq AS lastSeq FROM mailboxes ORDER BY user_id',
  )
  const letters = files.groups<LetterRow>(
    'notifications',
    'userId',
    `SELECT ${LETTER} FROM letters ORDER BY user_id, seq`,
  )
  const money = noMoney()
  for (const id of keysOf(users, accounts, entries, contacts, mailboxes, letters)) {
    const account = accounts?.takeOne(id)
    const contact = contacts?.takeOne(id)
    yield* checkUser({ id, email: users?.takeOne(id)?.email ?? null, account, contact })
    if (entries) {
      money.balances += BigInt(account?.balance ?? 0)
      yield* checkAccount({ userId: id, account: account ?? null, entries: counted(entries.take(id), money) })
    }
    if (letters) {
      const lastSeq = mailboxes?.takeOne(id)?.lastSeq ?? 0
      yield* checkMailbox({ userId: id, lastSeq, address: contact?.email ?? null, letters: letters.take(id) })
    }
  }
  if (entries) yield* checkMoney(money)
}

const sumOf = { deposit: 'deposits', withdrawal: 'withdrawals', debit: 'debits' } as const

function* counted(entries: Iterable<Entry>, money: Money): Generator<Entry> {
  for (const entry of entries) {
    money[sumOf[entry.kind]] += BigInt(entry.amount)
    yield entry
  }
}
