import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { openSqlite } from '../src/sqlite.ts'
import { until } from './support/clocks.ts'
import { startInstance } from './support/instances.ts'
import { noteMigrations, noteReads, tempFile } from './support/notes-store.ts'

const ROUNDS = 6

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('after a SIGKILL at any moment: what was reported stored is there, and no half member', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  t.comment(`SEED=${seed}`)
  const next = random(seed)
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

    const { reader, writer, close } = openSqlite(file, noteMigrations)
    const parts = new Map(
      noteReads(reader)
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
