import t, { type Test } from 'tap'
import { StoreUnavailable } from '../src/unit-of-work.ts'
import { startInstance } from './support/instances.ts'
import { tempFile } from './support/notes-store.ts'
import { openUnit, rejection } from './support/unit.ts'

/** A unit of work on a disk with room for so many more pages of 4 KiB. */
function openFull(t: Test, freePages: number) {
  const unit = openUnit(t)
  const used = unit.writer.pragma('page_count', { simple: true }) as number
  unit.writer.pragma(`max_page_count = ${used + freePages}`)
  const many = unit.writer.prepare(`
    INSERT INTO notes (id, part, body)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    SELECT 'big', 'many' || i, zeroblob(4000) FROM n`)
  return { ...unit, many: () => void many.run() }
}

// SQLite drops the whole transaction, or only the statement when that keeps a journal of its own (several rows).
for (const dropped of [true, false]) {
  t.test(
    `full disk, ${dropped ? 'transaction' : 'statement'} dropped: who fits is stored, who does not is refused`,
    async (t) => {
      const { unit, write, read, writer, many } = openFull(t, 20)
      const runs = { first: 0, big: 0, refused: 0, last: 0 }
      const states: boolean[] = []
      const refusal = new Error('a refusal of its own')
      const first = write(async (tx) => {
        await tx.add('first')
        runs.first += 1
        return runs.first
      })
      const big = write(async (tx) => {
        runs.big += 1
        await tx.add('big', 'small part')
        try {
          if (dropped) await tx.add('big', 'big part', 400_000)
          else many()
        } finally {
          states.push(writer.inTransaction)
        }
      })
      const refused = write(async (tx) => {
        runs.refused += 1
        await tx.add('refused')
        throw refusal
      })
      const last = write(async (tx) => {
        await tx.add('last')
        runs.last += 1
        return runs.last
      })
      const seen: unknown[] = []
      const watch = big.catch(() => seen.push(read.ids()))

      const error = await rejection(big)
      t.ok(error instanceof StoreUnavailable)
      t.match((error as Error).cause, { code: 'SQLITE_FULL' }, 'says why')
      t.equal(await rejection(refused), refusal)
      t.strictSame([await first, await last], [2, 1], 'the results are those of the run that was committed')
      await watch
      t.strictSame(states, [!dropped, !dropped], 'the file was full in the way that is meant here')
      t.strictSame(runs, { first: 2, big: 2, refused: 1, last: 1 })
      t.strictSame(read.ids(), ['first', 'last'])
      t.strictSame(seen, [['first']], 'refused after its neighbour was committed, one by one')

      const commits = unit.stats().commits
      writer.pragma('max_page_count = 1000000')
      await write((tx) => tx.add('big', 'big part', 400_000))
      t.strictSame(read.ids(), ['first', 'last', 'big'], 'works again when there is room')
      t.equal(unit.stats().commits, commits + 1)
    },
  )
}

t.test('full disk: members that fit alone but not together are stored as far as there is room', async (t) => {
  const { write, read, writer } = openFull(t, 50)
  const outcomes = await Promise.allSettled(['n1', 'n2', 'n3'].map((id) => write((tx) => tx.add(id, 'a', 120_000))))
  t.strictSame(
    outcomes.map((o) => o.status),
    ['fulfilled', 'rejected', 'rejected'],
  )
  t.strictSame(read.ids(), ['n1'])
  t.equal(writer.pragma('integrity_check', { simple: true }), 'ok')
})

t.test('a write that the operating system refuses (EFBIG at COMMIT) takes only its own member with it', async (t) => {
  const file = tempFile(t)
  const limited = startInstance(t, { maxFileKiB: 1024 })
  await limited.ask(`open ${file}`, 'opened')
  t.strictSame(JSON.parse(await limited.ask('exceed 3000000', 'outcome')), {
    before: 'stored',
    middle: 'STORE_UNAVAILABLE',
    after: 'stored',
    later: 'stored',
    cause: 'SQLITE_IOERR_WRITE',
    ids: ['before', 'after', 'later'],
  })
})
