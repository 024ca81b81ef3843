/**
 * The service that the suite tests the messaging with: it has the subscriptions of payments-service and rings up each
 * order once. What stops a second ring-up is what stops a second debit: the inbox, and a key in the domain.
 */
import { join } from 'node:path'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import { type Database, openStore } from '@checkout/store/store.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { createHandling, type Handlers } from '../../src/handling.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '../../src/store.ts'

const machine = createPlatform()

const migrations: readonly Migration[] = [
  {
    name: 'till/1',
    sql: `
      CREATE TABLE rung_up (order_id TEXT PRIMARY KEY) STRICT;
      -- What is counted; nothing in it stops a second row for the same order.
      CREATE TABLE effects (order_id TEXT NOT NULL, event_id TEXT NOT NULL) STRICT;`,
  },
]

const tillWrites = (writer: Session) => {
  const claim = writer.prepare('INSERT INTO rung_up VALUES (?) ON CONFLICT DO NOTHING')
  const effect = writer.prepare('INSERT INTO effects VALUES (?, ?)')
  return {
    /** False when the order was rung up before. */
    claim: async (orderId: string) => (await claim.run([orderId])).changes === 1,
    effect: async (orderId: string, eventId: string) => void (await effect.run([orderId, eventId])),
  }
}

/** As a till of the test's system handles what comes from elsewhere than its stream. */
export const handlingOf = (store: ReturnType<typeof openTill>, handlers: Handlers<TillTx>) =>
  createHandling({ service: 'payments-service', handlers, store, deployment: TEST_SYSTEM, platform: machine })

export const tillFile = (dir: string) => join(dir, 'till.sqlite')

export const openTill = (dir: string, options: TillOptions = {}) => openTillIn({ file: tillFile(dir) }, options)

interface TillOptions {
  platform?: Platform
  onWriter?: (writer: Session) => void
}

export const openTillIn = (database: Database, { platform = machine, onWriter }: TillOptions = {}) =>
  openStore({
    database,
    migrations: [...messagingMigrations, ...migrations],
    platform,
    writes: (writer) => {
      onWriter?.(writer)
      return { ...messagingWrites(writer, { source: '/till', platform }), till: tillWrites(writer) }
    },
    reads: (reader) => messagingReads(reader, platform),
  })

export type TillTx = Parameters<Parameters<ReturnType<typeof openTill>['write']>[0]>[0]

export const tillHandlers: Handlers<TillTx> = {
  'orders.created.v1': async (tx, event) => {
    if (!(await tx.inbox.claim(event.id))) return
    if (await tx.till.claim(event.data.orderId)) await tx.till.effect(event.data.orderId, event.id)
  },
  'users.registered.v1': async (tx, event) => void (await tx.inbox.claim(event.id)),
}

export const orderData = (orderId: string) => ({
  orderId,
  userId: 'ada',
  userRegistered: false,
  amount: 100,
  currency: 'RUB',
  description: 'a sun hat',
})

export const EFFECTS = 'SELECT order_id AS key, count(*) AS times FROM effects GROUP BY order_id'
