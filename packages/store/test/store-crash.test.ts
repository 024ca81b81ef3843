import { setTimeout as delay } from 'node:timers/promises'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { until } from '@checkout/testkit/eventually.ts'
import { newSeed, seededRandom } from '@checkout/testkit/random.ts'
import t from 'tap'
import { openConnections } from '../src/sqlite.ts'
import { startInstance } from './support/instances.ts'
import { noteMigrations, tempFile } from './support/notes-store.ts'
import { notesIn } from './support/unit.ts'

const machine = createPlatform()

const ROUNDS = 6

t.test('after a SIGKILL at any moment: what was reported stored is there, and no half member', async (t) => {
  const seed = newSeed()
  t.comment(`SEED=${seed}`)
  const next = seededRandom(seed)
  const file = tempFile(t)
  let reported: string[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const instance = startInstance(t)
    await instance.ask(`open ${file}`, 'opened')
    instance.send(`pairs round-${round}`)
    await until('the first writes are stored', () => instance.lines.some((line) => line.startsWith('stored')))
    await delay(next() * 120)
    instance.kill('SIGKILL')
    await instance.exited
    await until('all it said has arrived', () => instance.drained())
    reported = [...reported, ...instance.lines.filter((l) => l.startsWith('stored ')).map((l) => l.slice(7))]

    const { reader, writer, close } = openConnections(file, noteMigrations, machine)
    const parts = new Map(
      notesIn(reader)
        .parts()
        .map((row) => [row.id, row.parts]),
    )
    const lost = reported.filter((id) => !parts.has(id))
    const half = [...parts].filter(([, count]) => count !== 2)
    t.strictSame({ lost, half }, { lost: [], half: [] }, `round ${round}, ${reported.length} reported, SEED=${seed}`)
    t.equal(writer.pragma('integrity_check', { simple: true }), 'ok')
    close()
  }
  t.ok(reported.length > ROUNDS, 'there was something to lose')
})
