import { until } from '@checkout/testkit/eventually.ts'
import { createTestPlatform, settled } from '@checkout/testkit/platform.ts'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { MAX_WAIT_MS, MAX_WAITING, StoreUnavailable } from '../src/unit-of-work.ts'
import { startInstance } from './support/instances.ts'
import { openUnit, rejection } from './support/unit.ts'

/** Locks the file on a connection of its own; returns how to unlock it. */
function lock(t: Test, file: string): () => void {
  const outside = new Database(file)
  t.teardown(() => outside.close())
  outside.exec('BEGIN IMMEDIATE')
  return () => outside.exec('ROLLBACK')
}

/** A platform that counts the sleeps, one of which follows every refused BEGIN. */
function countingPlatform() {
  const platform = createTestPlatform({ asleep: 'spins' })
  let sleeps = 0
  return {
    ...platform,
    sleep(ms: number) {
      sleeps += 1
      return platform.sleep(ms)
    },
    sleeps: () => sleeps,
  }
}

t.test('a file locked by another process does not block the event loop; writes wait and then succeed', async (t) => {
  const platform = countingPlatform()
  const { file, unit, write, read } = openUnit(t, platform)
  const other = startInstance(t)
  await other.ask(`lock ${file}`, 'locked')
  let ticks = 0
  const timer = setInterval(() => {
    ticks += 1
  }, 1)
  t.teardown(() => clearInterval(timer))
  let done = 0
  const writes = ['n1', 'n2', 'n3'].map((id) => write((tx) => tx.add(id)).then(() => (done += 1)))
  await until('100 ticks and 50 attempts while the file is locked', () => ticks >= 100 && platform.sleeps() >= 50)
  t.equal(done, 0)
  t.equal(unit.stats().waiting, 3)
  t.strictSame(read.ids(), [], 'reads go on')
  await other.ask('unlock', 'unlocked')
  await Promise.all(writes)
  t.strictSame(read.ids(), ['n1', 'n2', 'n3'])
  t.equal(unit.stats().commits, 1)
})

t.test('a write that waited 5 s is refused and never committed; a later one is', async (t) => {
  const platform = countingPlatform()
  const { file, unit, write, read } = openUnit(t, platform)
  const unlock = lock(t, file)
  const attempts = (n: number) => {
    const from = platform.sleeps()
    return until(`${n} attempts`, () => platform.sleeps() >= from + n)
  }
  let ran = 0
  let early: unknown
  const first = write(async (tx) => {
    ran += 1
    return await tx.add('first')
  })
  first.catch((error) => {
    early = error
  })
  platform.advance(1_000)
  const second = write((tx) => tx.add('second'))
  platform.advance(MAX_WAIT_MS - 1_001)
  await attempts(5)
  t.equal(early, undefined, 'still waiting after 4,999 ms')
  platform.advance(1)
  t.ok((await rejection(first)) instanceof StoreUnavailable)
  await attempts(5)
  t.equal(unit.stats().waiting, 1, 'the one that came a second later still waits')
  unlock()
  await second
  await write((tx) => tx.add('third'))
  await unit.close()
  t.strictSame(read.ids(), ['second', 'third'])
  t.equal(ran, 0)
})

t.test('2,000 writes may wait; the next is refused at once', async (t) => {
  const { file, unit, write, read } = openUnit(t, createTestPlatform({ asleep: 'spins' }))
  const unlock = lock(t, file)
  const waiting = Array.from({ length: MAX_WAITING }, (_, i) => write((tx) => tx.add(`n${i}`)))
  let refused: unknown
  write((tx) => tx.add('one too many')).catch((error) => {
    refused = error
  })
  await undefined
  await undefined
  t.ok(refused instanceof StoreUnavailable, 'within the same turn of the event loop')
  t.equal(unit.stats().waiting, 2_000)
  unlock()
  await Promise.all(waiting)
  t.equal(read.ids().length, 2_000)
  t.notOk(read.ids().includes('one too many'))
  await write((tx) => tx.add('there is room again'))
})

t.test('close waits for a locked file, as long as a write may wait', async (t) => {
  const platform = countingPlatform()
  const { file, unit, write, read } = openUnit(t, platform)
  const unlock = lock(t, file)
  const refused = rejection(write((tx) => tx.add('n1')))
  const closed = unit.close()
  await until('an attempt', () => platform.sleeps() >= 1)
  platform.advance(MAX_WAIT_MS)
  await closed
  t.ok((await refused) instanceof StoreUnavailable)
  unlock()
  await settled()
  t.strictSame(read.ids(), [])
})
