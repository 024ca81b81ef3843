/** The drizzle tables must say what the SQL says: a wrong type or a forgotten column is a lie to every query. */
import { join } from 'node:path'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { arrearsTable } from '@checkout/messaging/arrears.ts'
import { claimNonces } from '@checkout/messaging/claim.ts'
import { deadLetterCount, deadLettersTable, handlerFailures } from '@checkout/messaging/dead-letters.ts'
import { inboxTable } from '@checkout/messaging/inbox.ts'
import { outboxTable, publications, streamIncarnation } from '@checkout/messaging/outbox.ts'
import { parkedTable } from '@checkout/messaging/parked.ts'
import { deployment } from '@checkout/store/deployment.ts'
import { idempotencyKeys } from '@checkout/store/idempotency.ts'
import { columnsInCode, columnsInFile, temporaryFolder } from '@checkout/testkit/database.ts'
import { getTableConfig } from 'drizzle-orm/sqlite-core'
import t from 'tap'
import { openPaymentsStore } from '../src/store/index.ts'
import { accounts, decisions, transactions } from '../src/store/tables.ts'

const machine = createPlatform()

t.test('drizzle tables agree with the file', async (t) => {
  const { dataDir, remove } = temporaryFolder()
  t.teardown(remove)
  await openPaymentsStore({ dataDir, platform: machine }).close()
  // Only sqlite.ts, lease.ts and age.ts use these, and keep their definitions to themselves.
  const { migrations: _, lease: __, ages: ___, ...inFile } = columnsInFile(join(dataDir, 'payments.sqlite'))
  const deadLetters = [deadLettersTable, deadLetterCount, handlerFailures]
  const outbox = [outboxTable, publications, streamIncarnation, arrearsTable]
  const messaging = [...outbox, inboxTable, parkedTable, ...deadLetters, claimNonces]
  const tables = [...messaging, idempotencyKeys, deployment, accounts, transactions, decisions]
  t.strictSame(inFile, columnsInCode(tables.map((table) => getTableConfig(table))))
})
