import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { until } from '@checkout/testkit/eventually.ts'
import { settled } from '@checkout/testkit/platform.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { StoreUnavailable } from '../src/unit-of-work.ts'
import { startInstance } from './support/instances.ts'
import { openNotes, tempFile } from './support/notes-store.ts'
import { rejection } from './support/unit.ts'

const MiB = 1024 * 1024

t.test('instances that write to one file at the same time all succeed, and none undoes what another did', async (t) => {
  const file = tempFile(t)
  const instances = Array.from({ length: 3 }, () => startInstance(t))
  await Promise.all(instances.map((instance) => instance.ask(`open ${file}`, 'opened')))
  const store = openNotes(file)
  t.teardown(() => store.close())
  const others = instances.map((instance) => instance.ask('increment 200', 'incremented'))
  for (let i = 0; i < 100; i += 1) await store.write((tx) => tx.increment())
  await Promise.all(others)
  t.equal(await store.read.counter(), 3 * 200 + 100)
})

t.test("onCommit tells of this process's commits before their writes resolve, and of another process's", async (t) => {
  const file = tempFile(t)
  const store = openNotes(file)
  t.teardown(() => store.close())
  const told: number[] = []
  let times = 0
  store.onCommit(() => {
    times += 1
    void store.read.counter().then((value) => told.push(value))
  })

  let toldWhenResolved: number | undefined
  await store
    .write((tx) => tx.increment())
    .then(() => {
      toldWhenResolved = times
    })
  t.equal(toldWhenResolved, 1)

  const other = startInstance(t)
  await other.ask(`open ${file}`, 'opened')
  const { commits } = store.stats()
  await other.ask('increment 1', 'incremented')
  await until("the other process's commit is noticed", () => told.includes(2))
  t.equal(store.stats().commits, commits)
})

t.test('onCommit says nothing when nothing was committed', async (t) => {
  const file = tempFile(t)
  const store = openNotes(file)
  t.teardown(() => store.close())
  const outside = new Database(file)
  t.teardown(() => outside.close())
  const told: number[] = []
  store.onCommit(() => void store.read.counter().then((value) => told.push(value)))
  outside.exec('BEGIN IMMEDIATE; UPDATE counters SET value = 7; ROLLBACK')
  // Commits are noticed in their order, so when this one is, a wrong word about the other would have come before.
  outside.exec('UPDATE counters SET value = 9')
  await until('the commit is noticed', () => told.length > 0)
  t.strictSame(told, [9])
})

t.test('close finishes the waiting writes, refuses new ones and closes the file', async (t) => {
  const file = tempFile(t)
  const store = openNotes(file)
  t.equal(await store.usable(), true)
  const waiting = Promise.all(Array.from({ length: 300 }, () => store.write((tx) => tx.increment())))
  const closed = store.close()
  t.ok((await rejection(store.write((tx) => tx.increment()))) instanceof StoreUnavailable)
  await closed
  await waiting
  t.equal(await store.usable(), false)
  await t.rejects(store.read.lease.current(), 'a read rejects')
  const reopened = openNotes(file)
  t.equal(await reopened.read.counter(), 300)
  await reopened.close()
})

/** How often the WAL was started over: its checkpoint sequence number (https://www.sqlite.org/fileformat2.html#walformat). */
function startsOver(file: string): number {
  const wal = openSync(`${file}-wal`, 'r')
  try {
    const header = Buffer.alloc(32)
    readSync(wal, header)
    return header.readUInt32BE(12)
  } finally {
    closeSync(wal)
  }
}

t.test('the WAL is started over again and again under continuous writes and short reads', async (t) => {
  const file = tempFile(t)
  const store = openNotes(file)
  t.teardown(() => store.close())
  const readers = [startInstance(t), startInstance(t)]
  for (const reader of readers) await reader.ask(`open ${file}`, 'opened')
  for (const reader of readers) await reader.ask('read', 'reading')
  await store.write((tx) => tx.add('first', 'a', MiB))
  const before = startsOver(file)
  let written = 1
  // In rows of one size that replace nothing: every byte goes through the WAL. After 16 MiB it may start over, as soon as no
  // reader is in it at that moment; how soon that is, is the machine's.
  for (; (startsOver(file) < before + 3 || written < 80) && written < 400; written += 1) {
    await store.write((tx) => tx.add(`n${written}`, 'a', MiB))
    await store.read.counter()
    await settled()
  }
  t.ok(startsOver(file) >= before + 3, `started over three times within ${written} MiB`)
  t.ok(statSync(file).size > 40 * MiB, 'checkpoints moved the rows to the file')
})

t.test(
  'a WAL that a long reader let grow is cut back when the reader is gone, without any further write',
  async (t) => {
    const file = tempFile(t)
    const store = openNotes(file)
    t.teardown(() => store.close())
    const outside = new Database(file)
    t.teardown(() => outside.close())
    outside.exec('BEGIN')
    outside.prepare('SELECT count(*) FROM notes').get()
    for (let i = 0; i < 35; i += 1) await store.write((tx) => tx.add(`n${i}`, 'a', 2 * MiB))
    const size = () => statSync(`${file}-wal`).size
    t.ok(size() > 68 * MiB, 'it has grown')
    outside.exec('COMMIT')
    await until('the WAL is cut back', () => size() < MiB)
    t.equal((await store.read.ids()).length, 35)
  },
)
