/** The store of orders-service on SQLite. */
import { join } from 'node:path'
import { services } from '@checkout/contracts/services.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import { idempotencyMigrations, idempotencyReads, idempotencyWrites } from '@checkout/store/idempotency.ts'
import type { Connection } from '@checkout/store/sqlite.ts'
import { openStore, type StoreOptions } from '@checkout/store/store.ts'
import { orderReads, orderWrites } from './orders.ts'
import type { OrdersStore } from './port.ts'
import { migrations } from './tables.ts'
import { userReads, userWrites } from './users.ts'

export function openOrdersStore({ dataDir, platform }: StoreOptions): OrdersStore {
  return openStore({
    file: join(dataDir, services.orders.file),
    migrations: [...messagingMigrations, ...idempotencyMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Connection) => ({
      ...messagingWrites(writer, { source: '/orders-service', platform }),
      idempotency: idempotencyWrites(writer, platform),
      deployment: deploymentWrites(writer),
      users: userWrites(writer),
      orders: orderWrites(writer),
    }),
    reads: (reader: Connection) => ({
      ...messagingReads(reader, platform),
      idempotency: idempotencyReads(reader),
      users: userReads(reader),
      orders: orderReads(reader),
    }),
  })
}
