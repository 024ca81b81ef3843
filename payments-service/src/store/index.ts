/** The store of payments-service on SQLite. */
import { join } from 'node:path'
import { services } from '@checkout/contracts/services.ts'
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import { idempotencyMigrations, idempotencyReads, idempotencyWrites } from '@checkout/store/idempotency.ts'
import type { Connection } from '@checkout/store/sqlite.ts'
import { openStore, type StoreOptions } from '@checkout/store/store.ts'
import { accountReads, accountWrites } from './accounts.ts'
import { decisionReads, decisionWrites } from './decisions.ts'
import { ledgerReads, ledgerWrites } from './ledger.ts'
import type { PaymentsStore } from './port.ts'
import { migrations } from './tables.ts'

export function openPaymentsStore({ dataDir, platform }: StoreOptions): PaymentsStore {
  return openStore({
    file: join(dataDir, services.payments.file),
    migrations: [...messagingMigrations, ...idempotencyMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Connection) => ({
      ...messagingWrites(writer, { source: '/payments-service', platform }),
      idempotency: idempotencyWrites(writer, platform),
      deployment: deploymentWrites(writer),
      accounts: accountWrites(writer),
      ledger: ledgerWrites(writer),
      decisions: decisionWrites(writer),
    }),
    reads: (reader: Connection) => ({
      ...messagingReads(reader, platform),
      idempotency: idempotencyReads(reader),
      accounts: accountReads(reader),
      ledger: ledgerReads(reader),
      decisions: decisionReads(reader),
    }),
  })
}
