/** The drizzle tables must say what the SQL says: a wrong type or a forgotten column is a lie to every query. */
import { deadLettersTable, handlerFailures } from '@checkout/messaging/dead-letters.ts'
import { inboxTable } from '@checkout/messaging/inbox.ts'
import { outboxTable, publications, streamIncarnation } from '@checkout/messaging/outbox.ts'
import { idempotencyKeys } from '@checkout/service/idempotency.ts'
import { getTableConfig } from 'drizzle-orm/sqlite-core'
import t from 'tap'
import { columnsInCode, columnsInFile } from '../../packages/contracts/test/support/database.ts'
import { accounts, decisions, transactions } from '../src/store/tables.ts'
import { paymentsApp } from './app.ts'

t.test('drizzle tables agree with the file', async (t) => {
  const { file } = await paymentsApp(t)
  // Only sqlite.ts and lease.ts use these two, and keep their definitions to themselves.
  const { migrations: _, lease: __, ...inFile } = columnsInFile(file)
  const messaging = [outboxTable, publications, streamIncarnation, inboxTable, deadLettersTable, handlerFailures]
  const tables = [...messaging, idempotencyKeys, accounts, transactions, decisions]
  t.strictSame(inFile, columnsInCode(tables.map((table) => getTableConfig(table))))
})
