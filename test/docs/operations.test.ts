/** What docs/operations.md says about backups and the books; of a running system: test/system/backup.test.ts. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { auditFiles } from '@checkout/audit/files.ts'
import { sentence } from '@checkout/audit/laws.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { openNotificationsStore } from '../../notifications-service/src/store/index.ts'
import { openOrdersStore } from '../../orders-service/src/store/index.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'
import { backUp, files } from '../../scripts/backup.ts'
import { lastingDisagreements } from '../../scripts/check-books.ts'
import { restore } from '../../scripts/restore.ts'

const machine = createPlatform()

const root = join(import.meta.dirname, '../..')

const disagreements = (folder: string) => [...auditFiles(folder)].map(sentence)

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('nothing is overwritten, and what is missing is named', async (t) => {
  const folder = temporaryFolder(t)
  await t.rejects(backUp(folder, join(folder, 'backup')), /there is no orders.sqlite in .*: set DATA_DIR/)
  for (const file of files) new Database(join(folder, file)).exec('CREATE TABLE t (x)').close()
  await backUp(folder, join(folder, 'backup'))
  await t.rejects(backUp(folder, join(folder, 'backup')), /is there already/)
})

/** A process that writes the same number into one file after another, and grows them so that copying takes its time. */
const COUNTING = `
  const Database = require('better-sqlite3')
  const [dataDir, ...files] = process.argv.slice(1)
  const dbs = files.map((file) => new Database(dataDir + '/' + file, { timeout: 5000 }))
  for (const db of dbs) {
    db.pragma('journal_mode = WAL')
    db.exec('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0); CREATE TABLE ballast AS SELECT zeroblob(30000000) AS b')
  }
  const updates = dbs.map((db) => db.prepare('UPDATE t SET n = ?'))
  process.stdout.write('ready')
  for (let n = 1; ; n += 1) for (const update of updates) update.run(n)`

t.test('the files of a backup are of one moment, and it is there whole or not at all', async (t) => {
  const folder = temporaryFolder(t)
  const writer = spawn(process.execPath, ['-e', COUNTING, folder, ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(writer.stdout, 'data')
    for (const backup of ['1', '2', '3'].map((name) => join(folder, name))) {
      await backUp(folder, backup, () => t.notOk(existsSync(backup) && readdirSync(backup).length < files.length))
      const numbers = files.map(
        (file) => new Database(join(backup, file)).prepare('SELECT n FROM t').pluck().get() as number,
      )
      t.ok(Math.max(...numbers) - Math.min(...numbers) <= 1, `${numbers}`)
    }
  } finally {
    writer.kill('SIGKILL')
    await once(writer, 'exit')
  }
  for (const end of ['', '-wal', '-shm']) rmSync(join(folder, `payments.sqlite${end}`), { force: true })
  writeFileSync(join(folder, 'payments.sqlite'), 'no database')
  await t.rejects(backUp(folder, join(folder, '4')))
  t.notOk(existsSync(join(folder, '4')), 'a backup that failed is not there')
})

t.test('a backup is put in the place of files whose process was killed, a second time too', async (t) => {
  const dataDir = await agreeingBooks(t)
  const backup = join(temporaryFolder(t), 'backup')
  await backUp(dataDir, backup)
  const dying = `const Database = require('better-sqlite3')
    const db = new Database(process.argv[1], { timeout: 0 })
    db.pragma('journal_mode = WAL')
    for (let n = 0; n < 500; n += 1) db.prepare("INSERT INTO accounts VALUES ('user' || ?, 5, 0, 'RUB', 1)").run(n)
    process.kill(process.pid, 'SIGKILL')`
  for (const time of ['first', 'second']) {
    spawnSync(process.execPath, ['-e', dying, join(dataDir, 'payments.sqlite')], { cwd: root, stdio: 'inherit' })
    t.ok(existsSync(join(dataDir, 'payments.sqlite-wal')), 'its WAL is left')
    const before = restore(backup, dataDir)
    t.strictSame(disagreements(dataDir), [], `the ${time} time`)
    const kept = new Database(join(before, 'payments.sqlite'))
    t.equal(
      kept.prepare('SELECT count(*) FROM accounts').pluck().get(),
      501,
      'what was there is kept, its WAL included',
    )
    kept.close()
  }
  const open = new Database(join(dataDir, 'orders.sqlite'))
  open.pragma('journal_mode = WAL') // as the services do
  open.prepare('SELECT * FROM orders').all()
  t.throws(() => restore(backup, dataDir), /orders.sqlite is in use: stop everything first/)
  open.close()
  rmSync(join(backup, 'notifications.sqlite'))
  t.throws(() => restore(backup, dataDir), /not a complete backup/)
})

/** Three files with a paid and a failed order of one user, in agreement. */
async function agreeingBooks(t: Test): Promise<string> {
  const dataDir = temporaryFolder(t)
  const terms = { dataDir, platform: machine }
  for (const store of [openOrdersStore(terms), openPaymentsStore(terms), openNotificationsStore(terms)]) {
    await store.close()
  }
  change(
    dataDir,
    'orders',
    `INSERT INTO users VALUES ('ada', 'Ada', 'ada@example.com', 1);
     INSERT INTO orders (id, user_id, amount, currency, description, status, failure_reason, created_at, updated_at,
         user_registered, created_event_id, sweep_at)
       VALUES ('paid', 'ada', 30, 'RUB', 'x', 'paid', NULL, 1, 2, 1, 'e1', 9),
              ('failed', 'ada', 900, 'RUB', 'x', 'failed', 'insufficient_funds', 1, 2, 1, 'e2', 9);
     INSERT INTO outbox (event_id, type, correlation_id, event, created_at)
       VALUES ('e5', 'orders.paid.v1', 'paid', '{}', 2), ('e6', 'orders.failed.v1', 'failed', '{}', 2)`,
  )
  change(
    dataDir,
    'payments',
    `INSERT INTO accounts VALUES ('ada', 70, 2, 'RUB', 1);
     INSERT INTO transactions VALUES ('t1', 'ada', 1, 'deposit', 100, 100, NULL, 1), ('t2', 'ada', 2, 'debit', 30, 70, 'paid', 2);
     INSERT INTO decisions VALUES ('paid', 'ada', 30, 'paid', NULL, 't2', 2, 'e3', 2, 'e1', 1, 1, 2),
       ('failed', 'ada', 900, 'declined', 'insufficient_funds', NULL, 2, 'e4', 2, 'e2', 2, 1, 2)`,
  )
  const letter = (seq: number, kind: string) =>
    `('ada', ${seq}, 'l${seq}', 'order_${kind}', '${kind}', 'ada@example.com', 's', 'b', 'none', 1, 1)`
  change(
    dataDir,
    'notifications',
    `INSERT INTO contacts VALUES ('ada', 'Ada', 'ada@example.com', 1);
     INSERT INTO mailboxes VALUES ('ada', 2);
     INSERT INTO letters (user_id, seq, id, kind, order_id, to_address, subject, body, mail, mail_due_at, created_at)
       VALUES ${letter(1, 'paid')}, ${letter(2, 'failed')}`,
  )
  return dataDir
}

function change(dataDir: string, service: string, sql: string): void {
  new Database(join(dataDir, `${service}.sqlite`)).exec(sql).close()
}

/** Which law is broken by what: packages/audit/test/laws.test.ts. Here: nothing in the files is overlooked. */
t.test('every disagreement of the books is named', async (t) => {
  t.strictSame(disagreements(await agreeingBooks(t)), [])
  const unlocked = 'DROP TRIGGER transactions_no_delete; DROP TRIGGER transactions_no_update;'
  const planted: [service: string, sql: string, sentences: string[]][] = [
    [
      'payments',
      'UPDATE accounts SET balance = 71',
      ['balance is not the sum', 'not what its last entry says', 'money made or lost'],
    ],
    [
      'payments',
      `${unlocked} UPDATE transactions SET balance_after = 71 WHERE number = 2`,
      ['does not add up', 'not what its last entry says'],
    ],
    [
      'payments',
      `${unlocked} DELETE FROM transactions WHERE number = 1; UPDATE transactions SET balance_after = 0; UPDATE accounts SET balance = 0`,
      [
        'gap: ada (2 after 0)',
        'add up',
        'below zero',
        'not the sum',
        'miscounts its entries: ada',
        'money made or lost',
      ],
    ],
    ['payments', 'UPDATE accounts SET entries = 3', ['miscounts its entries: ada']],
    [
      'payments',
      `DELETE FROM decisions WHERE order_id = 'paid'`,
      ['without such a decision: paid', 'at its end without a decision: paid'],
    ],
    ['payments', `UPDATE decisions SET transaction_id = 't1' WHERE order_id = 'paid'`, ['names another debit: paid']],
    [
      'payments',
      `UPDATE decisions SET reason = 'x' WHERE order_id = 'failed'`,
      ['did not end as it was decided: failed'],
    ],
    [
      'payments',
      `${unlocked} DELETE FROM transactions WHERE number = 2; UPDATE accounts SET balance = 100, entries = 1`,
      ['decided as paid without its debit, or debited without such a decision: paid', 'never debited: paid'],
    ],
    [
      'orders',
      `DELETE FROM orders WHERE id = 'paid'`,
      ['does not exist: money to give back: paid', 'decided that does', 'letter about', 'announced that does'],
    ],
    [
      'orders',
      `UPDATE orders SET status = 'failed', failure_reason = 'insufficient_funds' WHERE id = 'paid'`,
      [
        'did not end as it was decided: paid',
        'order failed that was debited: paid',
        'letter that says otherwise than its order: paid',
        'announced otherwise than it ended: paid',
      ],
    ],
    [
      'payments',
      `INSERT INTO transactions VALUES ('t3', 'ada', 3, 'debit', 70, 0, 'failed', 3);
       UPDATE accounts SET balance = 0, entries = 3`,
      [
        'debited without such a decision: failed',
        'names another debit: failed',
        'order failed that was debited: failed',
        'another user or amount: failed',
      ],
    ],
    [
      'orders',
      `UPDATE orders SET amount = 31 WHERE id = 'paid'`,
      ['decided otherwise than it was placed', 'debited otherwise than it was placed'],
    ],
    [
      'orders',
      `UPDATE orders SET user_id = 'bob' WHERE id = 'paid'`,
      [
        'another user or amount: paid',
        'another user or amount: paid',
        'letter that says otherwise than its order: paid',
      ],
    ],
    ['orders', `DELETE FROM outbox WHERE id = 2`, ['order at its end that was never announced: failed']],
    ['orders', `DELETE FROM outbox WHERE id = 1`, []], // retired
    ['orders', `DELETE FROM outbox`, []],
    [
      'orders',
      `INSERT INTO outbox (event_id, type, correlation_id, event, created_at)
         VALUES ('e5', 'orders.paid.v1', 'paid', '{}', 2), ('e7', 'orders.failed.v1', 'failed', '{}', 2)`,
      ['order announced more than once: failed'],
    ],
    [
      'notifications',
      'DELETE FROM letters WHERE seq = 2',
      ['order at its end without its letter: failed', 'miscounts its letters: ada'],
    ],
    [
      'notifications',
      `INSERT INTO letters (user_id, seq, id, kind, order_id, to_address, subject, body, mail, mail_due_at, created_at)
         VALUES ('ada', 4, 'l4', 'order_paid', NULL, NULL, 's', 'b', 'none', 1, 1)`,
      ['letters with a gap in their numbers: ada', 'not addressed', 'about no order', 'miscounts its letters: ada'],
    ],
    [
      'payments',
      `INSERT INTO accounts VALUES ('bob', 5, 0, 'RUB', 1)`,
      ['balance is not the sum of its entries: bob', 'not what its last entry says: bob', 'money made or lost'],
    ],
    ['orders', `INSERT INTO users VALUES ('bob', 'Bob', 'b@b', 1)`, ['user without an account: bob', 'contact: bob']],
    ['orders', `UPDATE users SET email = 'a@a'`, ['contact with another address than its user: ada']],
  ]
  for (const [service, sql, sentences] of planted) {
    const dataDir = await agreeingBooks(t)
    change(dataDir, service, sql)
    const found = disagreements(dataDir)
    t.equal(found.length, sentences.length, `${found.length} found: ${found.join('; ')}`)
    for (const [i, sentence] of sentences.entries()) t.match(found[i], sentence)
  }
})

t.test('as a command: prints what disagrees, and exits 1', async (t) => {
  const dataDir = await agreeingBooks(t)
  const check = () => promisify(execFile)(process.execPath, ['scripts/check-books.ts', dataDir], { cwd: root })
  t.match((await check()).stdout, /: the books agree\n$/)
  const ids = Array.from({ length: 25 }, (_, i) => `bob${i + 10}`)
  const users = ids.map((id) => `('${id}', 'Bob', 'b@b', 1)`).join()
  change(dataDir, 'orders', `INSERT INTO users VALUES ${users}`)
  await t.rejects(check(), {
    code: 1,
    stdout:
      /^(user without an account: bob\d+\n){20}… and 5 more: user without an account\n(.*contact: bob.*\n){20}.*\n.*: 50 disagreements\n$/,
  })
})

t.test('what is only under way is not reported', async (t) => {
  const dataDir = await agreeingBooks(t)
  change(dataDir, 'orders', `INSERT INTO users VALUES ('bob', 'Bob', 'b@b', 1)`)
  const checking = lastingDisagreements(dataDir)
  await eventually(() => disagreements(dataDir).length > 0, { what: 'bob has no account yet' })
  change(dataDir, 'payments', `INSERT INTO accounts VALUES ('bob', 0, 0, 'RUB', 2)`)
  t.strictSame((await checking).map(sentence), ['user without a contact: bob'], 'the account came, the contact did not')
})
