/** Three instances that compete for the lease in one file, each with a clock of its own, in one virtual time. */

import { createTestPlatform, createTime, settled } from '@checkout/testkit/platform.ts'
import type { Test } from 'tap'
import { createLease } from '../../src/lease.ts'
import { openNotes, tempFile } from './notes-store.ts'

export async function contenders(t: Test, clocks: { offset?: number; rate?: number }[] = [{}, {}, {}]) {
  const file = tempFile(t)
  const time = createTime()
  const all = clocks.map((options, i) => {
    const name = `instance ${i + 1}`
    const platform = createTestPlatform({ ...options, time, asleep: 'waits' })
    // The unit of work's clock stands still until a test moves it: retries on a locked file take real time.
    const storePlatform = createTestPlatform({ asleep: 'spins' })
    const store = openNotes(file, storePlatform, name)
    const lease = createLease({ read: store.read.lease, write: store.write, platform })
    let acquired = 0
    lease.onAcquired(() => {
      acquired += 1
    })
    t.teardown(async () => {
      await lease.stop()
      await store.close()
    })
    return { name, platform, storePlatform, store, lease, acquired: () => acquired }
  })
  const holders = () => all.filter((c) => c.lease.held())
  /** The only holder. @throws when there is none, or a second one. */
  const holder = () => {
    const [only, ...more] = holders()
    if (!only || more.length > 0) throw new Error(`${holders().length} hold the lease`)
    return only
  }
  /** Lets the time pass, looking every 20 ms, and returns the names of all who held at some moment, in that order. */
  async function pass(ms: number): Promise<{ most: number; order: string[] }> {
    let most = 0
    const order: string[] = []
    const look = () => {
      const names = holders().map((c) => c.name)
      most = Math.max(most, names.length)
      for (const name of names) if (order.at(-1) !== name) order.push(name)
    }
    for (const end = time.now() + ms; time.now() < end; ) await time.pass(Math.min(20, end - time.now()), look)
    return { most, order }
  }
  for (const contender of all) contender.lease.start()
  await settled()
  return { file, time, all, holders, holder, pass }
}
