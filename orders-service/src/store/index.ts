/** The store of orders-service. */
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import type { Session } from '@checkout/store/engine.ts'
import { idempotencyMigrations, idempotencyReads, idempotencyWrites } from '@checkout/store/idempotency.ts'
import { databaseOf, openStore, type StoreOptions } from '@checkout/store/store.ts'
import { orderReads, orderWrites } from './orders.ts'
import type { OrdersStore } from './port.ts'
import { migrations } from './tables.ts'
import { userReads, userWrites } from './users.ts'

export function openOrdersStore(options: StoreOptions): OrdersStore {
  const { platform } = options
  return openStore({
    database: databaseOf('orders', options),
    migrations: [...messagingMigrations, ...idempotencyMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Session) => ({
      ...messagingWrites(writer, { source: '/orders-service', platform }),
      idempotency: idempotencyWrites(writer, platform),
      deployment: deploymentWrites(writer),
      users: userWrites(writer),
      orders: orderWrites(writer),
    }),
    reads: (reader: Session) => ({
      ...messagingReads(reader, platform),
      idempotency: idempotencyReads(reader),
      users: userReads(reader),
      orders: orderReads(reader),
    }),
  })
}
