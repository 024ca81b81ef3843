import { mkdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { until } from '@checkout/testkit/eventually.ts'
import { createTestPlatform, createTime, settled } from '@checkout/testkit/platform.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { createLease, LEASE_EXPIRES_MS, LEASE_TICK_MS, LeaseLost } from '../src/lease.ts'
import { MAX_WAIT_MS } from '../src/unit-of-work.ts'
import { contenders } from './support/contenders.ts'
import { openNotes, tempFile } from './support/notes-store.ts'
import { rejection } from './support/unit.ts'

const machine = createPlatform()

t.test('of three, one holds the lease from the start, and keeps it', async (t) => {
  const { all, holder, pass } = await contenders(t)
  const first = holder()
  const { most, order } = await pass(60_000)
  t.strictSame({ most, order }, { most: 1, order: [first.name] })
  t.strictSame(
    all.map((c) => c.acquired()),
    all.map((c) => Number(c === first)),
  )
  await first.store.write((tx) => tx.lease.assertHeld())
  for (const other of all.filter((c) => c !== first)) {
    t.ok((await rejection(other.store.write((tx) => tx.lease.assertHeld()))) instanceof LeaseLost)
  }
})

t.test('a lease that stays in its hands changes nothing in the database, alone or watched', async (t) => {
  for (const clocks of [[{}], [{}, {}, {}]]) {
    const { file, holder, pass } = await contenders(t, clocks)
    const outside = new Database(file, { readonly: true })
    t.teardown(() => outside.close())
    /** Moves with every commit of others that changed a page, and only with those. */
    const version = () => outside.pragma('data_version', { simple: true })
    const first = holder()
    const before = { version: version(), wal: statSync(`${file}-wal`).size }
    t.strictSame(await pass(60_000), { most: 1, order: [first.name] })
    t.strictSame({ version: version(), wal: statSync(`${file}-wal`).size }, before, `${clocks.length} on the file`)
    await first.store.write((tx) => tx.add('a write'))
    t.not(version(), before.version, 'which a write shows in')
  }
})

t.test('the pulse: deleted, it is made anew; one that cannot be written or read shows nobody as dead', async (t) => {
  const { file, holder, holders, pass } = await contenders(t)
  await pass(1_000)
  const first = holder()
  const pulse = `${file}-pulse`
  rmSync(pulse)
  t.strictSame(await pass(5_000), { most: 1, order: [first.name] }, 'deleted')
  rmSync(pulse)
  mkdirSync(pulse)
  t.strictSame((await pass(5_000)).most, 1, 'a folder in its place')
  t.strictSame(holders(), [], 'nobody acts whom the others cannot see')
  rmdirSync(pulse)
  t.equal((await pass(5_000)).most, 1)
  t.equal(holders().length, 1, 'one of them goes on')
})

t.test('when the holder stops, another takes over after 1 s; the old one is fenced when it wakes', async (t) => {
  const { all, holder, holders, pass } = await contenders(t)
  await pass(5_000)
  const old = holder()
  old.platform.stopped = true
  const before = await pass(LEASE_EXPIRES_MS - LEASE_TICK_MS)
  t.strictSame(before, { most: 1, order: [old.name] }, 'nobody takes over before 1 s without a renewal')
  const after = await pass(3 * LEASE_TICK_MS)
  t.equal(after.most, 1)
  const next = holder()
  t.not(next, old)
  t.equal(old.lease.held(), false, 'the old holder knows by its own clock')
  t.ok((await rejection(old.store.write((tx) => tx.lease.assertHeld()))) instanceof LeaseLost)
  const undone = old.store.write(async (tx) => {
    await tx.add('recorded by the old holder')
    await tx.lease.assertHeld()
  })
  t.ok((await rejection(undone)) instanceof LeaseLost)
  t.strictSame(await all.at(0)?.store.read.ids(), [])
  old.platform.stopped = false
  t.strictSame(await pass(5_000), { most: 1, order: [next.name] })
  t.strictSame(holders(), [next])
  t.equal(next.acquired(), 1)
})

t.test('a holder that stops in order is succeeded at the next look', async (t) => {
  const { holder, holders, pass } = await contenders(t)
  await pass(2_000)
  const old = holder()
  await old.lease.stop()
  t.strictSame(holders(), [])
  t.equal((await old.store.read.lease.current()).holder, null)
  await pass(LEASE_TICK_MS)
  t.not(holder(), old)
  t.strictSame((await pass(3_000)).most, 1)
})

t.test('one who does not hold the lease stops without taking it from the holder', async (t) => {
  const { all, holder, pass } = await contenders(t)
  const first = holder()
  for (const other of all.filter((c) => c !== first)) await other.lease.stop()
  t.strictSame(await pass(3_000), { most: 1, order: [first.name] })
  t.equal(first.acquired(), 1, 'without a gap')
})

t.test('a locked file makes nobody wrong', async (t) => {
  const { file, all, holders, pass } = await contenders(t)
  await pass(1_000)
  const outside = new Database(file)
  t.teardown(() => outside.close())

  for (const refused of [false, true]) {
    outside.exec('BEGIN IMMEDIATE')
    t.strictSame((await pass(LEASE_EXPIRES_MS)).most, 1, 'the holder, for as long as it may trust the lease')
    t.strictSame(holders(), [], 'it does not act on what it could not renew')
    t.strictSame(await pass(10_000), { most: 0, order: [] })
    if (refused) for (const { storePlatform } of all) storePlatform.advance(MAX_WAIT_MS)
    if (refused) await until('all were refused', () => all.every((c) => c.store.stats().waiting === 0))
    outside.exec('ROLLBACK')
    await until('nobody waits', () => all.every((c) => c.store.stats().waiting === 0))
    await settled()
    t.equal((await pass(3_000)).most, 1)
    t.equal(holders().length, 1, 'one of them goes on')
  }
})

t.test('clocks with any offset, and rates up to a quarter apart, never show two holders', async (t) => {
  const clocks = [
    { offset: 1e12, rate: 0.9 },
    { offset: -1e12, rate: 1 },
    { offset: 7, rate: 1.1 },
  ]
  for (const slowest of [0, 1, 2]) {
    const { all, holder, pass } = await contenders(t, [...clocks.slice(slowest), ...clocks.slice(0, slowest)])
    for (let round = 0; round < 4; round += 1) {
      t.equal((await pass(5_000)).most, 1)
      const stopped = holder()
      stopped.platform.stopped = true
      t.equal((await pass(5_000)).most, 1, `${stopped.name} stopped`)
      stopped.platform.stopped = false
    }
    t.equal((await pass(5_000)).most, 1)
    t.ok(all.reduce((sum, c) => sum + c.acquired(), 0) >= 5, 'it went from hand to hand')
  }
})

t.test('with rates further apart than that, only one can record: the lease in the file decides', async (t) => {
  const { all, pass } = await contenders(t, [{ rate: 0.2 }, { rate: 3 }, { rate: 1 }])
  for (let i = 0; i < 200; i += 1) {
    await pass(50)
    if (i % 40 === 20) for (const c of all) c.platform.stopped = c.lease.held()
    const recorded = await Promise.allSettled(all.map((c) => c.store.write((tx) => tx.lease.assertHeld())))
    const ok = all.filter((_, k) => recorded[k]?.status === 'fulfilled')
    if (ok.length !== 1) t.fail(`${ok.map((c) => c.name)} recorded at the same time`)
  }
  for (const c of all) c.platform.stopped = false
  t.ok(all.reduce((sum, c) => sum + c.acquired(), 0) > 1, 'it went from hand to hand')
})

t.test('an observer that was stopped while it looked does not take its pause for a standstill', async (t) => {
  const file = tempFile(t)
  const time = createTime()
  const [own, others] = [openNotes(file, machine, 'holder'), openNotes(file, machine, 'observer')]
  const holderPlatform = createTestPlatform({ time, asleep: 'waits' })
  const holder = createLease({ read: own.read.lease, write: own.write, platform: holderPlatform })
  let offset = 0
  const observer = createLease({
    read: {
      current() {
        // The process stands still here, between asking for the time and seeing the counter.
        if (offset === 0) offset = 3 * LEASE_EXPIRES_MS
        return others.read.lease.current()
      },
    },
    write: others.write,
    platform: { ...createTestPlatform({ time, asleep: 'waits' }), monotonic: () => time.now() + offset },
  })
  t.teardown(async () => {
    await Promise.all([holder.stop(), observer.stop()])
    await Promise.all([own.close(), others.close()])
  })
  holder.start()
  await settled()
  await time.pass(100)
  observer.start()
  await settled()
  // The holder's renewal is late, but not so late that it should lose the lease.
  holderPlatform.stopped = true
  await time.pass(600)
  const during = { holder: holder.held(), observer: observer.held() }
  holderPlatform.stopped = false
  await time.pass(2_000)
  t.strictSame(during, { holder: true, observer: false }, '700 ms after the last renewal')
  t.strictSame({ holder: holder.held(), observer: observer.held() }, { holder: true, observer: false })
})

t.test('onAcquired is called whenever held() turned true, also when it was false during a slow renewal', async (t) => {
  const store = openNotes(tempFile(t), machine, 'holder')
  const time = createTime()
  let offset = 0
  let slowMs = 0
  let seenWhileSlow: boolean | undefined
  const lease = createLease({
    read: store.read.lease,
    async write(work) {
      const result = await store.write(work)
      if (slowMs > 0) {
        offset += slowMs // the disk took that long
        seenWhileSlow = lease.held()
      }
      return result
    },
    platform: { ...createTestPlatform({ time, asleep: 'waits' }), monotonic: () => time.now() + offset },
  })
  let acquired = 0
  lease.onAcquired(() => {
    acquired += 1
  })
  t.teardown(async () => {
    slowMs = 0
    await lease.stop()
    await store.close()
  })
  lease.start()
  await settled()
  t.strictSame({ held: lease.held(), acquired }, { held: true, acquired: 1 })
  slowMs = 700
  await time.pass(LEASE_TICK_MS)
  t.equal(seenWhileSlow, false, '900 ms after the last renewal')
  t.strictSame({ held: lease.held(), acquired }, { held: true, acquired: 2 })
  // The others may have seen the renewed counter stand still since before the write was answered.
  slowMs = 900
  await time.pass(LEASE_TICK_MS)
  t.equal(lease.held(), false, 'a renewal counts from before its write')
})

t.test('a sleep ends when it is aborted, and does not reject', async (t) => {
  const stopping = new AbortController()
  const sleep = machine.sleep(60_000, stopping.signal)
  stopping.abort()
  await sleep
  await machine.sleep(60_000, stopping.signal)
  const from = machine.monotonic()
  await machine.sleep(20)
  t.ok(machine.monotonic() - from >= 19, 'and lasts as long as it was asked to')
})
