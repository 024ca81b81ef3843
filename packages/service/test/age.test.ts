/** The ages of a file, whatever becomes of the instances that count them. */

import { createTestPlatform } from '@checkout/testkit/platform.ts'
import { seeded } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import { ageLag, ageMigrations, ageReads, ageWrites, createAge } from '../src/age.ts'
import { leaseMigrations, leaseReads, leaseWrites } from '../src/lease.ts'
import { openStore } from '../src/store.ts'
import { tempFile } from './support/notes-store.ts'

const STEP_MS = 1_000

/** A file, and one time that goes on for all instances. */
function openAged(t: Test) {
  const file = tempFile(t)
  const platform = createTestPlatform({ asleep: 'spins' })
  /** An instance with a store of its own on the file. It holds the lease once `acquire` was called, until another does. */
  function instance(holder: string) {
    const store = openStore({
      file,
      migrations: [...leaseMigrations, ...ageMigrations],
      writes: (writer) => ({ lease: leaseWrites(writer, holder), ages: ageWrites(writer) }),
      reads: (reader) => ({ lease: leaseReads(reader), ages: ageReads(reader) }),
      platform,
    })
    t.teardown(() => store.close())
    let acquired = () => {}
    const lease = {
      onAcquired(listener: () => void) {
        acquired = listener
      },
    }
    const age = createAge({
      name: 'retention',
      stepMs: STEP_MS,
      read: store.read.ages,
      write: store.write,
      lease,
      platform,
    })
    return {
      age,
      store,
      written: () => store.read.ages.of('retention'),
      async acquire() {
        await store.write((tx) => tx.lease.take(store.read.lease.current().counter))
        acquired()
      },
    }
  }
  return { platform, instance }
}

t.test('it grows with the time in which somebody counts it, and is written once per step', async (t) => {
  const { platform, instance } = openAged(t)
  const { age, store, written, acquire } = instance('a')
  platform.advance(3_600_000) // before anybody held the lease
  await acquire()
  const { commits } = store.stats()
  for (let ms = 0; ms < 10_000; ms += 100) {
    t.equal(age.now(), ms)
    await age.count()
    platform.advance(100)
  }
  t.equal(written(), 9_000)
  t.equal(age.now(), 10_000)
  t.equal(store.stats().commits - commits, 9)
})

t.test('time in which nobody counts is worth two steps at most', async (t) => {
  const { platform, instance } = openAged(t)
  const { age, written, acquire } = instance('a')
  await acquire()
  platform.advance(26 * 3_600_000)
  t.equal(age.now(), 2 * STEP_MS)
  await Promise.all([age.count(), age.count()])
  t.strictSame([age.now(), written()], [2 * STEP_MS, 2 * STEP_MS], 'counted once')
})

t.test('whoever has lost the lease counts nothing', async (t) => {
  const { platform, instance } = openAged(t)
  const [a, b] = [instance('a'), instance('b')]
  await a.acquire()
  platform.advance(STEP_MS)
  await b.acquire()
  await t.rejects(a.age.count(), { message: /lease/ })
  t.equal(a.written(), 0)
  platform.advance(STEP_MS)
  await b.age.count()
  await a.acquire()
  t.equal(a.age.now(), STEP_MS, 'what b has counted is not counted again')
})

t.test('no row gets older than it is, in any course of events; and it gets as old in the end', async (t) => {
  const random = seeded(t)
  const pick = <T>(...of: T[]): T => of[Math.floor(random() * of.length)] as T
  for (let run = 0; run < 20; run++) {
    const { platform, instance } = openAged(t)
    const instances = ['a', 'b', 'c'].map(instance)
    let holder = pick(...instances)
    await holder.acquire()
    /** What another instance writes gets the age in the file. */
    const rows: { at: number; age: number }[] = []
    for (let turn = 0; turn < 200; turn++) {
      platform.advance(pick(1, 50, 300, 999, 1_000, 5_000, 100_000))
      if (random() < 0.3) rows.push({ at: platform.now(), age: holder.written() })
      if (random() < 0.6) await holder.age.count()
      if (random() < 0.1) {
        holder = pick(...instances)
        await holder.acquire()
      }
      const older = (age: number) => rows.filter((row) => age - row.age - ageLag(STEP_MS) > platform.now() - row.at)
      const wrong = [...older(holder.written()), ...older(holder.age.now())]
      if (wrong.length > 0) t.fail('a row is older than it is', { run, turn, wrong: wrong.slice(0, 3) })
    }
    const before = holder.written()
    for (let i = 0; i < 100; i++) {
      platform.advance(500)
      await holder.age.count()
    }
    t.ok(holder.written() - before >= 49 * STEP_MS, 'while somebody counts, it keeps up with the time')
  }
})
