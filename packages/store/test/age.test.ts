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
      database: { file },
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
    let slow: Promise<void> | undefined
    const age = createAge({
      name: 'retention',
      stepMs: STEP_MS,
      read: {
        async of(name) {
          const wait = slow
          const ms = await store.read.ages.of(name)
          await wait
          return ms
        },
      },
      write: store.write,
      lease,
      platform,
    })
    return {
      age,
      store,
      written: () => store.read.ages.of('retention'),
      /** The answers to what is read until `resume` are on the way until `arrive`. */
      delayReads() {
        const { promise, resolve: arrive } = Promise.withResolvers<void>()
        slow = promise
        const resume = () => {
          slow = undefined
        }
        return { resume, arrive }
      },
      async acquire() {
        const { counter } = await store.read.lease.current()
        await store.write((tx) => tx.lease.take(counter))
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
    t.equal(await age.now(), ms)
    await age.count()
    platform.advance(100)
  }
  t.equal(await written(), 9_000)
  t.equal(await age.now(), 10_000)
  t.equal(store.stats().commits - commits, 9)
})

t.test('time in which nobody counts is worth two steps at most', async (t) => {
  const { platform, instance } = openAged(t)
  const { age, written, acquire } = instance('a')
  await acquire()
  platform.advance(26 * 3_600_000)
  t.equal(await age.now(), 2 * STEP_MS)
  await Promise.all([age.count(), age.count()])
  t.strictSame([await age.now(), await written()], [2 * STEP_MS, 2 * STEP_MS], 'counted once')
})

t.test('whoever has lost the lease counts nothing', async (t) => {
  const { platform, instance } = openAged(t)
  const [a, b] = [instance('a'), instance('b')]
  await a.acquire()
  platform.advance(STEP_MS)
  await b.acquire()
  await t.rejects(a.age.count(), { message: /lease/ })
  t.equal(await a.written(), 0)
  platform.advance(STEP_MS)
  await b.age.count()
  await a.acquire()
  t.equal(await a.age.now(), STEP_MS, 'what b has counted is not counted again')
})

t.test('an answer that is older than what was counted meanwhile sets nothing back', async (t) => {
  const { platform, instance } = openAged(t)
  const { age, written, acquire, delayReads } = instance('a')
  await acquire()
  const delayed = delayReads()
  const late = age.now()
  delayed.resume()
  platform.advance(STEP_MS)
  await age.count()
  delayed.arrive()
  await late
  t.equal(await age.now(), STEP_MS)
  platform.advance(STEP_MS)
  await age.count()
  t.equal(await written(), 2 * STEP_MS, 'nothing is counted twice')
})

t.test('an answer from before the lease was acquired once more is not taken for one of after', async (t) => {
  const { platform, instance } = openAged(t)
  const [a, b] = [instance('a'), instance('b')]
  await a.acquire()
  const delayed = a.delayReads()
  const late = a.age.now()
  await b.acquire()
  for (let step = 0; step < 5; step += 1) {
    platform.advance(STEP_MS)
    await b.age.count()
  }
  await a.acquire()
  delayed.resume()
  delayed.arrive()
  t.equal(await late, 5 * STEP_MS, 'what b has counted')
  await a.age.count()
  t.equal(await a.written(), 5 * STEP_MS, 'is not counted again')
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
      if (random() < 0.3) rows.push({ at: platform.now(), age: await holder.written() })
      if (random() < 0.6) await holder.age.count()
      if (random() < 0.1) {
        holder = pick(...instances)
        await holder.acquire()
      }
      const older = (age: number) => rows.filter((row) => age - row.age - ageLag(STEP_MS) > platform.now() - row.at)
      const wrong = [...older(await holder.written()), ...older(await holder.age.now())]
      if (wrong.length > 0) t.fail('a row is older than it is', { run, turn, wrong: wrong.slice(0, 3) })
    }
    const before = await holder.written()
    for (let i = 0; i < 100; i++) {
      platform.advance(500)
      await holder.age.count()
    }
    t.ok((await holder.written()) - before >= 49 * STEP_MS, 'while somebody counts, it keeps up with the time')
  }
})
