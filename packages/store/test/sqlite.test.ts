import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import t from 'tap'
import { openConnections } from '../src/sqlite.ts'
import { startInstance } from './support/instances.ts'
import { noteMigrations, tempFile } from './support/notes-store.ts'

const machine = createPlatform()

const settings = ['journal_mode', 'synchronous', 'busy_timeout', 'foreign_keys', 'recursive_triggers'] as const
const WAL_FULL = { journal_mode: 'wal', synchronous: 2, busy_timeout: 0, foreign_keys: 1, recursive_triggers: 1 }

t.test('every open runs with WAL and synchronous=FULL, a reopened file too', (t) => {
  const file = tempFile(t)
  for (const which of ['new', 'reopened', 'reopened again']) {
    const { writer, reader, close } = openConnections(file, noteMigrations, machine)
    const actual = Object.fromEntries(settings.map((name) => [name, writer.pragma(name, { simple: true })]))
    t.strictSame(actual, WAL_FULL, which)
    t.equal(reader.pragma('busy_timeout', { simple: true }), 0)
    t.throws(() => reader.exec("UPDATE counters SET value = 1 WHERE name = 'shared'"), { code: 'SQLITE_READONLY' })
    close()
  }
  t.end()
})

t.test('what cannot have WAL is refused', (t) => {
  t.throws(
    () => openConnections(':memory:', noteMigrations, machine),
    /must run with journal_mode=wal, synchronous=2.*got memory/,
  )
  t.end()
})

t.test('a file that is no database is refused, and left as it is', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'checkout-store-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'notes.sqlite')
  const text = 'not a database, and long enough to be looked at'.repeat(100)
  writeFileSync(file, text)
  t.throws(() => openConnections(file, noteMigrations, machine), { code: 'SQLITE_NOTADB' })
  t.equal(readFileSync(file, 'utf8'), text)
  t.end()
})

t.test('a file written by a newer version is refused and nothing in it is changed', (t) => {
  const file = tempFile(t)
  const newer = [...noteMigrations, { name: 'notes/9', sql: 'CREATE TABLE future (id TEXT) STRICT' }]
  openConnections(file, newer, machine).close()
  const older = [...noteMigrations, { name: 'notes/2', sql: 'CREATE TABLE other (id TEXT) STRICT' }]
  t.throws(() => openConnections(file, older, machine), /written by a newer version \(migrations notes\/9\)/)
  const { reader, close } = openConnections(file, newer, machine)
  t.strictSame(reader.prepare("SELECT name FROM sqlite_schema WHERE name IN ('future', 'other')").pluck().all(), [
    'future',
  ])
  close()
  t.end()
})

t.test('migrations run once, in order, and all or none', (t) => {
  const file = tempFile(t)
  const added = { name: 'notes/2', sql: "UPDATE counters SET value = value + 1 WHERE name = 'shared'" }
  const broken = { name: 'notes/3', sql: 'CREATE TABLE half (id TEXT); INSERT INTO nowhere VALUES (1)' }
  openConnections(file, noteMigrations, machine).close()
  t.throws(() => openConnections(file, [...noteMigrations, added, broken], machine), /no such table: nowhere/)
  openConnections(file, noteMigrations, machine).close() // it would refuse a file that kept one of them
  for (let i = 0; i < 2; i += 1) {
    const { reader, close } = openConnections(file, [...noteMigrations, added], machine)
    t.equal(reader.prepare('SELECT value FROM counters').pluck().get(), 1)
    t.equal(reader.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").pluck().get(), 0)
    t.strictSame(
      reader.prepare('SELECT name FROM migrations ORDER BY rowid').pluck().all(),
      [...noteMigrations, added].map((m) => m.name),
    )
    close()
  }
  t.end()
})

t.test('several processes that open a new file at the same moment all succeed, and it is migrated once', async (t) => {
  const instances = Array.from({ length: 4 }, () => startInstance(t))
  for (let round = 1; round <= 8; round += 1) {
    const file = tempFile(t)
    const answers = await Promise.all(instances.map((instance) => instance.ask(`open ${file}`, '')))
    t.strictSame(answers, ['opened', 'opened', 'opened', 'opened'], `round ${round}`)
    const { reader, close } = openConnections(file, noteMigrations, machine)
    t.strictSame(
      reader.prepare('SELECT name FROM migrations ORDER BY rowid').pluck().all(),
      noteMigrations.map((m) => m.name),
    )
    close()
  }
})

t.test('opening waits for another process that is writing the first pages of the file', async (t) => {
  const file = tempFile(t)
  mkdirSync(dirname(file))
  const [one, two] = [startInstance(t), startInstance(t)]
  await two.ask(`open ${tempFile(t)}`, 'opened') // it is up, and acts at once on what it is told next
  await one.ask(`lock ${file}`, 'locked') // the file has no WAL yet
  const answer = two.ask(`open ${file}`, '')
  await delay(200) // long enough for a refusal that does not wait
  await one.ask('unlock', 'unlocked')
  t.equal(await answer, 'opened')
})

t.test("which errors are the storage's trouble", (t) => {
  const trouble = [
    'SQLITE_BUSY_SNAPSHOT',
    'SQLITE_FULL',
    'SQLITE_IOERR_WRITE',
    'SQLITE_READONLY_DBMOVED',
    'STORE_UNAVAILABLE',
  ]
  const mistakes = ['SQLITE_CONSTRAINT_CHECK', 'SQLITE_ERROR', 'SQLITE_MISMATCH', 'ENOENT', 5, undefined]
  for (const code of trouble) t.ok(isStorageError({ code }), code)
  for (const code of mistakes) t.notOk(isStorageError({ code }), String(code))
  for (const thrown of [undefined, null, 'text', new Error('x')]) t.notOk(isStorageError(thrown))
  t.end()
})
