/** What the services have stored, read straight from their SQLite files while they run or after they stopped. */
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import type { System } from '../../scripts/system.ts'

export const services = ['orders', 'payments', 'notifications'] as const
export type Service = (typeof services)[number]

export interface OrderRecord {
  id: string
  user_id: string
  amount: number
  description: string
  status: string
}
export interface EntryRecord {
  id: string
  user_id: string
  number: number
  kind: string
  amount: number
  balance_after: number
  order_id: string | null
  created_at: number
}
/** What the clients were told about. */
export interface Books {
  users: { id: string; email: string }[]
  orders: OrderRecord[]
  /** Deposits and withdrawals. */
  moves: EntryRecord[]
  deadLetters: { consumer: string; event_key: string; error: string }[]
}

export const dataDirOf = (system: Pick<System, 'logsDir'>) => dirname(system.logsDir)

/** Opens a service's file for reading, runs `read`, closes it: nothing stays open to get in the services' way. */
export function withFile<T>(dataDir: string, service: Service, read: (db: Database.Database) => T): T {
  const db = new Database(join(dataDir, `${service}.sqlite`), { readonly: true, fileMustExist: true })
  try {
    return read(db)
  } finally {
    db.close()
  }
}

/** Rows of one query. */
export const query = <T>(dataDir: string, service: Service, sql: string, ...values: unknown[]): T[] =>
  withFile(dataDir, service, (db) => db.prepare(sql).all(...values) as T[])

/** Three files, so no single moment: to be read when everything is settled. */
export function readBooks(dataDir: string): Books {
  const all = <T>(service: Service, sql: string) => query<T>(dataDir, service, sql)
  return {
    users: all('orders', 'SELECT id, email FROM users'),
    orders: all('orders', 'SELECT id, user_id, amount, description, status FROM orders'),
    moves: all('payments', "SELECT * FROM transactions WHERE kind <> 'debit'"),
    deadLetters: services.flatMap((service) => all(service, 'SELECT consumer, event_key, error FROM dead_letters')),
  }
}

export interface Unsettled {
  pending: number
  withoutLetter: number
  withoutAccount: number
  withoutContact: number
}

/** What has not reached its end yet, counted; all zero once everything is settled. */
export function unsettled(dataDir: string): Unsettled {
  return withFile(dataDir, 'orders', (db) => {
    for (const other of ['payments', 'notifications'] as const) {
      db.prepare(`ATTACH ? AS ${other}`).run(join(dataDir, `${other}.sqlite`))
    }
    const count = (sql: string) => db.prepare(sql).pluck().get() as number
    return {
      pending: count("SELECT count(*) FROM orders WHERE status = 'pending'"),
      withoutLetter: count(
        'SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM notifications.letters l WHERE l.order_id = o.id)',
      ),
      withoutAccount: count(
        'SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM payments.accounts a WHERE a.user_id = u.id)',
      ),
      withoutContact: count(
        'SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM notifications.contacts c WHERE c.user_id = u.id)',
      ),
    }
  })
}
