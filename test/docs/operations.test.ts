/** What docs/operations.md says about backups: taken while orders are under way, restored, and the books agree. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { systemClock, uuidv7 } from '@checkout/service/clock.ts'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { openNotificationsStore } from '../../notifications-service/src/store/index.ts'
import { openOrdersStore } from '../../orders-service/src/store/index.ts'
import { openPaymentsStore } from '../../payments-service/src/store/index.ts'
import { backUp, files } from '../../scripts/backup.ts'
import { disagreements, lastingDisagreements } from '../../scripts/check-books.ts'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { eventually } from '../support/eventually.ts'
import { fundedUsers, newSeed, startLoad } from '../support/load.ts'
import { untilSettled } from '../support/settle.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

const root = join(import.meta.dirname, '../..')
const LOAD_MS = 1_000

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('a backup of a running system, restored', { timeout: 300_000 }, async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  const backups = temporaryFolder(t)
  const claims = newClaims()
  let backup = ''
  await withSystem(t, {}, async (system) => {
    const users = await fundedUsers(system.url, 5, claims)
    const before = startLoad({ t, url: system.url, seed, claims, users })
    await delay(LOAD_MS)
    await before.stop()
    await untilSettled(t, system, 'before the backup')

    const meanwhile = startLoad({ t, url: system.url, seed: seed + 1, claims: newClaims(), users, paceMs: 0 })
    let taken = 0
    const underWay = async () => {
      taken += 1
      backup = join(backups, `${taken}`)
      // A process of its own: it would hold up the load.
      await promisify(execFile)(process.execPath, ['scripts/backup.ts', backup], {
        cwd: root,
        env: { ...process.env, DATA_DIR: dataDirOf(system) },
      })
      return disagreements(backup).length
    }
    const open = await eventually(underWay, { what: 'a backup with orders under way between the files' })
    t.comment(`the files of the backup disagree ${open} times`)
    await delay(LOAD_MS)
    await meanwhile.stop()
    assertNoErrors(t, system)
  })

  const restored = temporaryFolder(t)
  for (const file of files) copyFileSync(join(backup, file), join(restored, file))
  await withSystem(t, { dataDir: restored }, async (system) => {
    await untilSettled(t, system, 'what was under way')
    const agreed = () =>
      disagreements(restored).length === 0 || Promise.reject(new Error(disagreements(restored).join()))
    await eventually(agreed, { what: 'the books agree' })
    const orders = query<{ id: string }>(restored, 'orders', 'SELECT id FROM orders').map(({ id }) => id)
    const lost = [...claims.orders.keys()].filter((id) => !orders.includes(id))
    t.ok(claims.orders.size > 20)
    t.strictSame(lost, [], `the ${claims.orders.size} orders from before the backup are there`)
    const swept = query(restored, 'orders', 'SELECT id FROM orders WHERE sweeps > 0')
    t.strictSame(swept, [], 'and none needed the sweeper')
    assertNoErrors(t, system)
  })
})

t.test('nothing is overwritten, and what is missing is named', (t) => {
  const folder = temporaryFolder(t)
  t.throws(() => backUp(folder, join(folder, 'backup')), /there is no notifications.sqlite in .*: set DATA_DIR/)
  for (const file of files) new Database(join(folder, file)).exec('CREATE TABLE t (x)').close()
  backUp(folder, join(folder, 'backup'))
  t.throws(() => backUp(folder, join(folder, 'backup')), /holds a notifications.sqlite already/)
  t.end()
})

/** Three files with a paid and a failed order of one user, in agreement. */
async function agreeingBooks(t: Test): Promise<string> {
  const dataDir = temporaryFolder(t)
  const terms = { dataDir, clock: systemClock, newId: uuidv7 }
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
              ('failed', 'ada', 900, 'RUB', 'x', 'failed', 'insufficient_funds', 1, 2, 1, 'e2', 9)`,
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
    `('ada', ${seq}, 'l${seq}', 'order_${kind}', '${kind}', 's', 'b', 'none', 1, 1)`
  change(
    dataDir,
    'notifications',
    `INSERT INTO contacts VALUES ('ada', 'Ada', 'ada@example.com', 1);
     INSERT INTO letters (user_id, seq, id, kind, order_id, subject, body, mail, mail_due_at, created_at)
       VALUES ${letter(1, 'paid')}, ${letter(2, 'failed')}`,
  )
  return dataDir
}

function change(dataDir: string, service: string, sql: string): void {
  new Database(join(dataDir, `${service}.sqlite`)).exec(sql).close()
}

t.test('every disagreement of the books is named', async (t) => {
  t.strictSame(disagreements(await agreeingBooks(t)), [])
  const unlocked = 'DROP TRIGGER transactions_no_delete; DROP TRIGGER transactions_no_update;'
  const planted: [service: string, sql: string, sentences: string[]][] = [
    ['payments', 'UPDATE accounts SET balance = 71', ['balance is not the sum', 'not what its last entry says']],
    [
      'payments',
      `${unlocked} UPDATE transactions SET balance_after = 71 WHERE number = 2`,
      ['not what its last entry says'],
    ],
    ['payments', `DELETE FROM decisions WHERE order_id = 'paid'`, ['without such a decision: paid']],
    [
      'payments',
      `${unlocked} DELETE FROM transactions WHERE number = 2; UPDATE accounts SET balance = 100, entries = 1`,
      ['decided as paid without its debit, or debited without such a decision: paid', 'never debited: paid'],
    ],
    [
      'orders',
      `DELETE FROM orders WHERE id = 'paid'`,
      ['does not exist: money to give back: paid', 'letter that says otherwise than its order: paid'],
    ],
    [
      'orders',
      `UPDATE orders SET status = 'failed', failure_reason = 'insufficient_funds' WHERE id = 'paid'`,
      ['order failed that was debited: paid', 'without its letter: paid', 'letter that says otherwise'],
    ],
    ['notifications', 'DELETE FROM letters WHERE seq = 2', ['order at its end without its letter: failed']],
    ['payments', `INSERT INTO accounts VALUES ('bob', 5, 0, 'RUB', 1)`, ['balance is not the sum of its entries: bob']],
    ['orders', `INSERT INTO users VALUES ('bob', 'Bob', 'b@b', 1)`, ['user without an account: bob', 'contact: bob']],
  ]
  for (const [service, sql, sentences] of planted) {
    const dataDir = await agreeingBooks(t)
    change(dataDir, service, sql)
    const found = disagreements(dataDir)
    t.equal(found.length, sentences.length, `${found.length} found: ${found.join('; ')}`)
    for (const sentence of sentences) t.ok(found.join('\n').includes(sentence), sentence)
  }
})

t.test('what is only under way is not reported', async (t) => {
  const dataDir = await agreeingBooks(t)
  change(dataDir, 'orders', `INSERT INTO users VALUES ('bob', 'Bob', 'b@b', 1)`)
  const checking = lastingDisagreements(dataDir)
  await eventually(() => disagreements(dataDir).length > 0, { what: 'bob has no account yet' })
  change(dataDir, 'payments', `INSERT INTO accounts VALUES ('bob', 0, 0, 'RUB', 2)`)
  t.strictSame(await checking, ['user without a contact: bob'], 'the account came, the contact did not')
})
