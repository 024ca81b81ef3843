/** The store of notifications-service. */
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import type { Session } from '@checkout/store/engine.ts'
import { databaseOf, openStore, type StoreOptions } from '@checkout/store/store.ts'
import { contactWrites } from './contacts.ts'
import { letterReads, letterWrites } from './letters.ts'
import type { NotificationsStore } from './port.ts'
import { migrations } from './tables.ts'

export function openNotificationsStore(options: StoreOptions): NotificationsStore {
  const { platform } = options
  return openStore({
    database: databaseOf('notifications', options),
    migrations: [...messagingMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Session) => ({
      ...messagingWrites(writer, { source: '/notifications-service', platform }),
      deployment: deploymentWrites(writer),
      contacts: contactWrites(writer),
      letters: letterWrites(writer),
    }),
    reads: (reader: Session) => ({
      ...messagingReads(reader, platform),
      letters: letterReads(reader),
    }),
  })
}
