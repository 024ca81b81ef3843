import t from 'tap'
import { validate, version } from 'uuid'
import { createPlatform } from '../src/platform.ts'

const machine = createPlatform()

t.test('ids are UUIDv7, each another, in the order in which they were made', async (t) => {
  const before = Date.now()
  const ids = Array.from({ length: 100_000 }, machine.newId)
  const timeOf = (id: string | undefined) => Number.parseInt(id?.replace('-', '').slice(0, 12) ?? '', 16)
  t.ok(ids.every((id) => validate(id) && version(id) === 7))
  t.equal(new Set(ids).size, ids.length)
  t.strictSame(ids.toSorted(), ids)
  t.ok(timeOf(ids[0]) >= before && timeOf(ids.at(-1)) <= Date.now(), 'and carry the time')
  t.ok(new Set(ids.map((id) => id.slice(-12))).size > ids.length - 10, 'the last 48 bits of each are drawn anew')
})
