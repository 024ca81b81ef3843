/** The store of payments-service. */
import { messagingMigrations, messagingReads, messagingWrites } from '@checkout/messaging/store.ts'
import { deploymentMigrations, deploymentWrites } from '@checkout/store/deployment.ts'
import type { Session } from '@checkout/store/engine.ts'
import { idempotencyMigrations, idempotencyReads, idempotencyWrites } from '@checkout/store/idempotency.ts'
import { databaseOf, openStore, type StoreOptions } from '@checkout/store/store.ts'
import { accountReads, accountWrites } from './accounts.ts'
import { decisionReads, decisionWrites } from './decisions.ts'
import { ledgerReads, ledgerWrites } from './ledger.ts'
import type { PaymentsStore } from './port.ts'
import { migrations } from './tables.ts'

export function openPaymentsStore(options: StoreOptions): PaymentsStore {
  const { platform } = options
  return openStore({
    database: databaseOf('payments', options),
    migrations: [...messagingMigrations, ...idempotencyMigrations, ...deploymentMigrations, ...migrations],
    platform,
    writes: (writer: Session) => ({
      ...messagingWrites(writer, { source: '/payments-service', platform }),
      idempotency: idempotencyWrites(writer, platform),
      deployment: deploymentWrites(writer),
      accounts: accountWrites(writer),
      ledger: ledgerWrites(writer),
      decisions: decisionWrites(writer),
    }),
    reads: (reader: Session) => ({
      ...messagingReads(reader, platform),
      idempotency: idempotencyReads(reader),
      accounts: accountReads(reader),
      ledger: ledgerReads(reader),
      decisions: decisionReads(reader),
    }),
  })
}
