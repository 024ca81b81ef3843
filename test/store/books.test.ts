/** The books of a system that has grown: read in constant memory, and as the files are sorted. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { auditFiles } from '@checkout/audit/files.ts'
import { type Part, services } from '@checkout/contracts/services.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { openNotificationsStore } from '../../notifications-service/src/store/index.ts'
import { openOrdersStore } from '../../orders-service/src/store/index.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'

const machine = createPlatform()

const ORDERS = 200_000
/** The first half of the orders is that of one user, the others those of so many. */
const OTHERS = 1_000
/** Node itself takes about 5 MiB; one of the tables would take 40. */
const HEAP_MIB = 16
const RESIDENT_MIB_MAX = 150

async function emptyFiles(t: Test): Promise<string> {
  const { dataDir, remove } = temporaryFolder()
  t.teardown(remove)
  const terms = { dataDir, platform: machine }
  for (const store of [openOrdersStore(terms), openPaymentsStore(terms), openNotificationsStore(terms)]) {
    await store.close()
  }
  return dataDir
}

function change(dataDir: string, part: Part, sql: string) {
  const db = new Database(join(dataDir, services[part].file))
  db.pragma('synchronous = OFF')
  db.exec(sql).close()
}

/** Numbers from 0 on: `n` is the order, `u` its user, `k` which of the user's orders it is, from 1 on. */
const NUMBERS = `
  WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${ORDERS}),
    placed AS (SELECT n, printf('order-%09d', n) AS id,
      CASE WHEN n < ${ORDERS / 2} THEN 'hot' ELSE 'user-' || (n % ${OTHERS}) END AS u,
      CASE WHEN n < ${ORDERS / 2} THEN n + 1 ELSE (n - ${ORDERS / 2}) / ${OTHERS} + 1 END AS k FROM numbers)`
const USERS = `
  WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${OTHERS}),
    everybody AS (SELECT 'hot' AS u, ${ORDERS / 2} AS placed
      UNION ALL SELECT 'user-' || n, ${ORDERS / 2 / OTHERS} FROM numbers)`

/** Everybody has put ORDERS on the account, and has paid orders over 1. */
function fill(dataDir: string) {
  change(
    dataDir,
    'orders',
    `${USERS} INSERT INTO users SELECT u, 'x', u || '@example.com', 1 FROM everybody;
     ${NUMBERS} INSERT INTO orders (id, user_id, amount, currency, description, status, created_at, updated_at,
         user_registered, created_event_id, sweep_at)
       SELECT id, u, 1, 'RUB', 'x', 'paid', 1, 2, 1, 'e', 9 FROM placed;
     ${NUMBERS} INSERT INTO outbox (event_id, type, correlation_id, event, created_at)
       SELECT 'e' || n, 'orders.paid.v1', id, '{}', 2 FROM placed`,
  )
  change(
    dataDir,
    'payments',
    `${USERS} INSERT INTO accounts SELECT u, ${ORDERS} - placed, placed + 1, 'RUB', 1 FROM everybody;
     ${USERS} INSERT INTO transactions SELECT 'd-' || u, u, 1, 'deposit', ${ORDERS}, ${ORDERS}, NULL, 1 FROM everybody;
     ${NUMBERS} INSERT INTO transactions SELECT 't' || n, u, k + 1, 'debit', 1, ${ORDERS} - k, id, 2 FROM placed;
     ${NUMBERS} INSERT INTO decisions SELECT id, u, 1, 'paid', NULL, 't' || n, 2, 'e', 2, 'e', 1, 1, 2 FROM placed`,
  )
  change(
    dataDir,
    'notifications',
    `${USERS} INSERT INTO contacts SELECT u, 'x', u || '@example.com', 1 FROM everybody;
     ${USERS} INSERT INTO mailboxes SELECT u, placed FROM everybody;
     ${NUMBERS} INSERT INTO letters (user_id, seq, id, kind, order_id, to_address, subject, body, mail, mail_due_at, created_at)
       SELECT u, k, 'l' || n, 'order_paid', id, u || '@example.com', 's', 'b', 'none', 1, 1 FROM placed`,
  )
}

const AUDIT = `
  import { auditFiles } from '@checkout/audit/files.ts'
  const wrong = [...auditFiles(process.argv[1])]
  console.log(JSON.stringify({ wrong, residentMiB: process.resourceUsage().maxRSS / 1024 }))`

t.test(`the books of ${ORDERS} orders are read in constant memory`, async (t) => {
  const dataDir = await emptyFiles(t)
  fill(dataDir)
  change(dataDir, 'orders', "UPDATE orders SET amount = 2 WHERE id = 'order-000199999'")
  const args = [`--max-old-space-size=${HEAP_MIB}`, '--max-semi-space-size=1', '--input-type=module', '--eval', AUDIT]
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, dataDir], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    // Coverage would count what it measures.
    env: { ...process.env, NODE_V8_COVERAGE: '' },
  })
  t.equal(status, 0, stderr.slice(0, 1_000))
  const { wrong, residentMiB } = JSON.parse(stdout || '{}')
  t.match(wrong, [{ law: /decided otherwise/, of: 'order-000199999' }, { law: /debited otherwise/ }])
  t.equal(wrong?.length, 2, 'what was planted last is found, and nothing else')
  t.ok(residentMiB < RESIDENT_MIB_MAX, `${residentMiB} MiB`)
})

t.test('the files give the rows in the order of their keys: nothing is sorted, in memory or on the disk', async (t) => {
  const dataDir = await emptyFiles(t)
  const plans: string[] = []
  const original = Database.prototype.prepare
  Database.prototype.prepare = function (this: Database.Database, sql: string) {
    const explained = original.call(this, `EXPLAIN QUERY PLAN ${sql}`) as Database.Statement<[], { detail: string }>
    plans.push(
      `${sql}: ${explained
        .all()
        .map((step) => step.detail)
        .join('; ')}`,
    )
    return original.call(this, sql)
  } as typeof original
  t.teardown(() => {
    Database.prototype.prepare = original
  })
  t.strictSame([...auditFiles(dataDir)], [])
  t.ok(plans.length > 10, `${plans.length} statements`)
  t.strictSame(
    plans.filter((plan) => /TEMP B-TREE/.test(plan)),
    [],
  )
})
