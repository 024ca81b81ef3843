import { readFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { ForeignAwait, MAX_BATCH, StoreUnavailable } from '../src/unit-of-work.ts'
import { settled } from './support/clocks.ts'
import { openUnit, rejection } from './support/unit.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)

t.test('writes that wait together share a COMMIT, at most 256 of them, in the order they came', async (t) => {
  const { unit, write, read } = openUnit(t)
  const ids = numbered(2 * MAX_BATCH + 88)
  const sizes: number[] = []
  let stored = 0
  unit.onCommit(() => {
    sizes.push(read.ids().length - stored)
    stored = read.ids().length
  })
  const results = await Promise.all(
    ids.map((id) =>
      write(async (tx) => {
        await tx.add(id)
        return `result of ${id}`
      }),
    ),
  )
  t.strictSame(
    results,
    ids.map((id) => `result of ${id}`),
  )
  t.strictSame(sizes, [256, 256, 88])
  t.strictSame(read.ids(), ids)
  t.strictSame(unit.stats(), { commits: 3, writes: ids.length, waiting: 0 })
})

t.test('an idle unit of work commits a single write at once', async (t) => {
  const { unit, write, read } = openUnit(t)
  const done = write((tx) => tx.add('alone'))
  await settled()
  t.strictSame(read.ids(), ['alone'])
  await done
  t.strictSame(unit.stats(), { commits: 1, writes: 1, waiting: 0 })
})

t.test("a rejected member's rows are gone, its neighbours' stay", async (t) => {
  const { unit, write, read } = openUnit(t)
  const refusals = new Map([
    ['n0', new Error('the first, thrown')],
    ['n3', new Error('in the middle, rejected later')],
    ['n4', new Error('right after another one')],
    ['n7', new Error('the last')],
  ])
  const settledWrites = await Promise.allSettled(
    numbered(8).map((id, i) =>
      write(async (tx) => {
        await tx.add(id, 'a')
        const refusal = refusals.get(id)
        if (i % 2 === 0 && refusal) throw refusal
        return Promise.resolve().then(async () => {
          await tx.add(id, 'b')
          if (refusal) throw refusal
        })
      }),
    ),
  )
  const expected = numbered(8).map((id) => refusals.get(id))
  t.strictSame(
    settledWrites.map((s) => s.status),
    expected.map((refusal) => (refusal ? 'rejected' : 'fulfilled')),
  )
  for (const [i, outcome] of settledWrites.entries()) {
    if (outcome.status === 'rejected') t.equal(outcome.reason, expected[i], 'the very error that was thrown')
  }
  t.strictSame(read.ids(), ['n1', 'n1', 'n2', 'n2', 'n5', 'n5', 'n6', 'n6'])
  t.equal(unit.stats().commits, 1)
})

t.test('a constraint that a member breaks is its own rejection, and what it wrote before is gone', async (t) => {
  const { write, read } = openUnit(t)
  const first = write((tx) => tx.add('n1'))
  const twice = write(async (tx) => {
    await tx.add('n2')
    await tx.add('n1')
  })
  const last = write((tx) => tx.add('n3'))
  t.match(await rejection(twice), { code: 'SQLITE_CONSTRAINT_UNIQUE' })
  await Promise.all([first, last])
  t.strictSame(read.ids(), ['n1', 'n3'])
})

t.test('results and rejections are delivered after COMMIT, not before', async (t) => {
  const { unit, write, read, writer } = openUnit(t)
  const refused = new Error('refused')
  const seen: { id: string; ids: string[]; commits: number; open: boolean }[] = []
  const look = (id: string) => () => {
    seen.push({ id, ids: read.ids(), commits: unit.stats().commits, open: writer.inTransaction })
  }
  await Promise.all(
    numbered(6).map((id, i) =>
      write(async (tx) => {
        await tx.add(id)
        await undefined // whoever was told too early gets a chance to look
        if (i % 2 === 0) throw refused
      }).then(look(id), look(id)),
    ),
  )
  const committed = { ids: ['n1', 'n3', 'n5'], commits: 1, open: false }
  t.strictSame(
    seen,
    numbered(6).map((id) => ({ id, ...committed })),
  )
})

t.test('members run strictly one after another', async (t) => {
  const { write } = openUnit(t)
  const log: string[] = []
  await Promise.all(
    numbered(4).map((id, i) =>
      write(async (tx) => {
        log.push(`${id} begins`)
        for (let awaits = 0; awaits < 5 - i; awaits += 1) await tx.increment()
        log.push(`${id} ends`)
      }),
    ),
  )
  t.strictSame(
    log,
    numbered(4).flatMap((id) => [`${id} begins`, `${id} ends`]),
  )
})

t.test('nobody sees an uncommitted row, and everybody a committed one', async (t) => {
  const { write, read } = openUnit(t)
  const seenInside: string[][] = []
  await Promise.all(
    numbered(3).map((id) =>
      write(async (tx) => {
        await tx.add(id)
        await undefined
        seenInside.push(read.ids())
      }),
    ),
  )
  t.strictSame(seenInside, [[], [], []])
  t.strictSame(read.ids(), numbered(3))
})

const foreign: Record<string, () => Promise<unknown>> = {
  'an immediate': () => turn(),
  'a timer': () => new Promise((resolve) => setTimeout(resolve, 5)),
  'a file': () => readFile(new URL(import.meta.url)),
  'the next tick': () => new Promise<void>((resolve) => process.nextTick(resolve)),
  // Runs before any immediate when the event loop goes round: that must not hide it.
  'a timer that is due at once': () => {
    const due = new Promise((resolve) => setTimeout(resolve, 0))
    for (const end = performance.now() + 5; performance.now() < end; );
    return due
  },
}

for (const [what, wait] of Object.entries(foreign)) {
  t.test(`a callback that awaits ${what} is rolled back, and its neighbours are not touched`, async (t) => {
    const { unit, write, read } = openUnit(t)
    const log: string[] = []
    const before = write((tx) => tx.add('before'))
    const awaiting = write(async (tx) => {
      log.push('awaiting begins')
      await tx.add('awaiting', 'a')
      await wait()
      await tx.add('awaiting', 'b')
      log.push('awaiting ends')
    })
    const throwing = write(async () => {
      log.push('throwing begins')
      await wait()
      log.push('throwing ends')
      throw new Error('its own, which hides the mistake')
    })
    const after = write(async (tx) => {
      log.push('after')
      await tx.add('after')
    })
    const errors = await Promise.all(
      [awaiting, throwing].map((p) =>
        p.then(
          () => undefined,
          (e) => e,
        ),
      ),
    )
    t.ok(errors[0] instanceof ForeignAwait, `ForeignAwait, not ${errors[0]}`)
    t.ok(errors[1] instanceof ForeignAwait, `ForeignAwait, not ${errors[1]}`)
    await Promise.all([before, after])
    t.strictSame(log, ['awaiting begins', 'awaiting ends', 'throwing begins', 'throwing ends', 'after'])
    t.strictSame(read.ids(), ['before', 'after'])
    t.equal(unit.stats().commits, 1)
  })
}

t.test('close finishes what waits and refuses what comes', async (t) => {
  const { unit, write, read } = openUnit(t)
  const waiting = numbered(MAX_BATCH + 1).map((id) => write((tx) => tx.add(id)))
  const closed = unit.close()
  t.ok((await rejection(write((tx) => tx.add('late')))) instanceof StoreUnavailable)
  await closed
  t.equal(read.ids().length, MAX_BATCH + 1)
  t.notOk(read.ids().includes('late'))
  await Promise.all(waiting)
})

t.test('close of an idle unit of work resolves, and a second one too', async (t) => {
  const { unit, write } = openUnit(t)
  await write((tx) => tx.add('n1'))
  await settled()
  await unit.close()
  await unit.close()
  t.ok((await rejection(write((tx) => tx.add('late')))) instanceof StoreUnavailable)
})
