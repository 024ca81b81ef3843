import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import t from 'tap'
import { until } from './support/clocks.ts'
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
    const holders = () => instances.filter((instance) => instance.lines.includes('acquired'))
    const nameOf = (instance?: Instance) => names[instance ? instances.indexOf(instance) : -1]
    /** The holders in the order of what they recorded. */
    const order = () => store.read.ids().filter((id, i, ids) => id !== ids[i - 1])

    await until('one holds the lease and acts', () => holders().length > 0 && order().length > 0)
    const [first] = holders()
    await stopOutsideTransaction(first, file)
    await until('another took over and acts', () => order().length > 1)
    const second = holders().find((instance) => instance !== first)
    t.strictSame(order(), [nameOf(first), nameOf(second)])

    // Waits in its pipe: the first thing that it reads when it wakes.
    const asserted = first?.ask('assert', 'asserted')
    first?.kill('SIGCONT')
    t.equal(await asserted, 'LeaseLost')

    await second?.ask('stop', 'stopped')
    await until('one of the others acts', () => order().length > 2)
    t.not(order()[2], nameOf(second))

    // Killed inside of a transaction: the lock goes with the process.
    const third = instances[names.indexOf(order()[2] as string)]
    await third?.ask(`lock ${file}`, 'locked')
    third?.kill('SIGKILL')
    await third?.exited
    await until('the last one acts', () => order().length > 3)
    const last = instances.find((instance) => instance !== second && instance !== third)
    t.strictSame(order(), [first, second, third, last].map(nameOf), 'nobody acted in between')
  },
)
