import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@checkout/testkit/eventually.ts'
import Database from 'better-sqlite3'
import t from 'tap'
import { type Instance, startInstance } from './support/instances.ts'
import { openNotes, tempFile } from './support/notes-store.ts'

/** Whether somebody holds the file's write lock. */
function locked(file: string): boolean {
  const db = new Database(file, { timeout: 0 })
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK')
    return false
  } catch {
    return true
  } finally {
    db.close()
  }
}

/**
 * Stops the process outside of a transaction. Stopped inside of one, it would keep the file's write lock, and nobody
 * could write, or take the lease over, until it wakes or is killed.
 */
async function stopOutsideTransaction(instance: Instance | undefined, file: string): Promise<void> {
  for (;;) {
    instance?.kill('SIGSTOP')
    await delay(20) // the signal arrives, and whoever else was writing is done
    if (!locked(file)) return
    instance?.kill('SIGCONT')
    await delay(5)
  }
}

t.test(
  'three processes: one acts; stopped, it is succeeded, and fenced when it wakes; so are one that ends and one killed',
  async (t) => {
    const file = tempFile(t)
    const instances = Array.from({ length: 3 }, () => startInstance(t))
    await Promise.all(instances.map((instance) => instance.ask(`open ${file}`, 'opened')))
    const names = await Promise.all(instances.map((instance) => instance.ask('lease', 'competing')))
    const store = openNotes(file)
    t.teardown(() => store.close())
    /** The holders in the order of what they recorded. */
    const order = async () => (await store.read.ids()).filter((id, i, ids) => id !== ids[i - 1])
    const actor = async () => instances[names.indexOf((await order()).at(-1) as string)]
    /** Waits until another one acts than this one. */
    const successor = async (of?: Instance) => {
      await until('another acts', async () => (await actor()) !== of)
      return actor()
    }

    const first = await successor()
    await stopOutsideTransaction(first, file)
    const second = await successor(first)

    // Waits in its pipe: the first thing that it reads when it wakes.
    const asserted = first?.ask('assert', 'asserted')
    first?.kill('SIGCONT')
    t.equal(await asserted, 'LeaseLost')

    await second?.ask('stop', 'stopped')
    const third = await successor(second)

    // Killed inside of a transaction: the lock goes with the process.
    await third?.ask(`lock ${file}`, 'locked')
    third?.kill('SIGKILL')
    await third?.exited
    const last = await successor(third)
    t.not(last, second)
    // A slow machine may hand over more often than it is made to; but who acted had acquired the lease.
    const acquired = instances.flatMap(({ lines }) => lines.filter((line) => line === 'acquired')).length
    const acts = (await order()).length
    t.ok(acts >= 4 && acts <= acquired, `${acts} acted, the lease was taken ${acquired} times`)
  },
)
