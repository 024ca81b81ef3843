/** The store of notifications-service on SQLite. */
import { join } from 'node:path'
import { services } from '@checkout/contracts/services.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import type { Connection } from '@checkout/store/sqlite.ts'
import { openStore, type StoreOptions } from '@checkout/store/store.ts'
import { contactWrites } from './contacts.ts'
import { letterReads, letterWrites } from './letters.ts'
import type { NotificationsStore } from './port.ts'
import { migrations } from './tables.ts'

export function openNotificationsStore({ dataDir, platform }: StoreOptions): NotificationsStore {
  return openStore({
    file: join(dataDir, services.notifications.file),
    migrations: [...messagingMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Connection) => ({
      ...messagingWrites(writer, { source: '/notifications-service', platform }),
      deployment: deploymentWrites(writer),
      contacts: contactWrites(writer),
      letters: letterWrites(writer),
    }),
    reads: (reader: Connection) => ({
      ...messagingReads(reader, platform),
      letters: letterReads(reader),
    }),
  })
}
