/** What the suite of every engine (engine-suite.ts) does not say of the unit of work. */
import { settled } from '@checkout/testkit/platform.ts'
import t from 'tap'
import { MAX_BATCH, StoreUnavailable } from '../src/unit-of-work.ts'
import { openUnit, rejection } from './support/unit.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)

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
