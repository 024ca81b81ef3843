/** The messaging's tables on SQLite. */

import type { Platform } from '@checkout/kernel/platform.ts'
import { ageMigrations, ageReads, ageWrites } from '@checkout/store/age.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import { leaseMigrations, leaseReads, leaseWrites } from '@checkout/store/lease.ts'
import { arrearsMigrations } from './arrears.ts'
import { claimMigrations, claimReads, claimWrites } from './claim.ts'
import { deadLetterMigrations, deadLetterReads, deadLetterWrites } from './dead-letters.ts'
import { inboxMigrations, inboxReads, inboxWrites } from './inbox.ts'
import { outboxMigrations, outboxReads, outboxWrites } from './outbox.ts'
import { parkedMigrations, parkedReads, parkedWrites } from './parked.ts'
import type { MessagingReads, MessagingTx } from './port.ts'

export const messagingMigrations: readonly Migration[] = [
  ...leaseMigrations,
  ...ageMigrations,
  ...outboxMigrations,
  ...inboxMigrations,
  ...deadLetterMigrations,
  ...parkedMigrations,
  ...arrearsMigrations,
  ...claimMigrations,
]

/** @param source the CloudEvents source of what this service publishes, such as /orders-service */
export function messagingWrites(writer: Session, options: { source: string; platform: Platform }): MessagingTx {
  const { platform } = options
  return {
    lease: leaseWrites(writer, platform.newId()),
    outbox: outboxWrites(writer, options),
    ages: ageWrites(writer),
    inbox: inboxWrites(writer),
    deadLetters: deadLetterWrites(writer, platform),
    parked: parkedWrites(writer),
    claim: claimWrites(writer),
  }
}

export function messagingReads(reader: Session, platform: Platform): MessagingReads {
  return {
    lease: leaseReads(reader),
    ages: ageReads(reader),
    inbox: inboxReads(reader),
    outbox: outboxReads(reader, platform),
    deadLetters: deadLetterReads(reader),
    parked: parkedReads(reader),
    claim: claimReads(reader),
  }
}
