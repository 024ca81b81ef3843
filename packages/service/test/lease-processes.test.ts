import t from 'tap'
import { until } from './support/clocks.ts'
import { startInstance } from './support/instances.ts'
import { openNotes, tempFile } from './support/notes-store.ts'

t.test(
  'three processes: one acts; when it is stopped another takes over, and it is fenced when it wakes',
  async (t) => {
    const file = tempFile(t)
    const instances = Array.from({ length: 3 }, () => startInstance(t))
    await Promise.all(instances.map((instance) => instance.ask(`open ${file}`, 'opened')))
    const names = await Promise.all(instances.map((instance) => instance.ask('lease', 'competing')))
    const store = openNotes(file)
    t.teardown(() => store.close())
    const holders = () => instances.filter((instance) => instance.lines.includes('acquired'))
    const nameOf = (instance?: (typeof instances)[number]) => names[instance ? instances.indexOf(instance) : -1]
    /** The holders in the order of what they recorded. */
    const order = () => store.read.ids().filter((id, i, ids) => id !== ids[i - 1])

    await until('one holds the lease and acts', () => holders().length > 0 && order().length > 0)
    const [first] = holders()
    first?.kill('SIGSTOP')
    await until('another took over and acts', () => order().length > 1)
    const second = holders().find((instance) => instance !== first)
    t.strictSame(order(), [nameOf(first), nameOf(second)])

    // Waits in its pipe: the first thing that it reads when it wakes.
    const asserted = first?.ask('assert', 'asserted')
    first?.kill('SIGCONT')
    t.equal(await asserted, 'LeaseLost')

    await second?.ask('stop', 'stopped')
    await until('one of the others acts', () => order().length > 2)
    t.equal(new Set(order()).has(nameOf(second) as string), true)
    t.equal(order().indexOf(nameOf(second) as string), order().lastIndexOf(nameOf(second) as string))
    t.not(order()[2], nameOf(second))
    t.equal(order().length, 3, 'nobody acted in between')
  },
)
