import t from 'tap'
import { createRefresher } from '../ui/model/refresher.ts'
import { breathe } from './model-platform.ts'

/** Reads that end when a test says so. */
function reads() {
  const ends: (() => void)[] = []
  const refresh = createRefresher(() => new Promise<void>((resolve) => ends.push(resolve)))
  return { refresh, begun: () => ends.length, end: (n: number) => ends[n - 1]?.() }
}

t.test('one at a time, and one more for all that wish meanwhile', async (t) => {
  const { refresh, begun, end } = reads()
  let done = 0
  void refresh().then(() => done++)
  t.equal(begun(), 1, 'the first begins at once')
  for (let i = 0; i < 3; i++) void refresh().then(() => done++)
  await breathe()
  t.equal(begun(), 1)
  end(1)
  await breathe()
  t.equal(begun(), 2)
  t.equal(done, 1, 'those who came later wait for a read that began after them')
  void refresh().then(() => done++)
  end(2)
  await breathe()
  t.equal(begun(), 3)
  t.equal(done, 4)
  end(3)
  await breathe()
  t.equal(done, 5)
  t.equal(begun(), 3)
  void refresh()
  t.equal(begun(), 4)
})
