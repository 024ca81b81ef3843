import { createTestPlatform, createTime, settled } from '@checkout/testkit/platform.ts'
import t from 'tap'
import { validate, version } from 'uuid'
import { createPlatform, type Platform } from '../src/platform.ts'

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

t.test('random bytes are drawn anew each time, however many', (t) => {
  const drawn = Array.from({ length: 2_000 }, (_, i) => machine.randomBytes(8 + (i % 17)).toString('hex'))
  t.equal(new Set(drawn).size, drawn.length)
  t.ok(drawn.every((hex, i) => hex.length === 2 * (8 + (i % 17))))
  t.end()
})

t.test('the platform that tests steer: what waits runs in the order of time, and a seed repeats it', async (t) => {
  const time = createTime()
  const platforms: Platform[] = [1, 2].map((rate) => createTestPlatform({ time, rate, seed: 1, asleep: 'waits' }))
  const ran: string[] = []
  for (const [i, platform] of platforms.entries()) {
    const say = (what: string) => () => void ran.push(`${i + 1} ${what} at ${time.now()}`)
    platform.setTimeout(say('timeout'), 50)
    platform.clearTimeout(platform.setTimeout(say('cleared'), 10))
    const often = platform.setInterval(say('interval'), 40)
    platform.setTimeout(() => platform.clearTimeout(often), 100)
    void platform.sleep(60).then(say('awake'))
    const stopping = new AbortController()
    void platform.sleep(60, stopping.signal).then(say('aborted'))
    stopping.abort()
  }
  await settled()
  await time.pass(1_000)
  t.strictSame(ran, [
    '1 aborted at 0',
    '2 aborted at 0',
    '2 interval at 20',
    '2 timeout at 25',
    '2 awake at 30',
    '1 interval at 40',
    '2 interval at 40',
    '1 timeout at 50',
    '1 awake at 60',
    '1 interval at 80',
  ])
  const [one, two] = platforms.map((platform) => [platform.random(), platform.randomBytes(4).toString('hex')])
  t.strictSame(one, two)
  const { newId } = createTestPlatform({ seed: 1 })
  const ids = Array.from({ length: 100 }, newId)
  t.ok(ids.every((id) => validate(id) && version(id) === 7))
  t.strictSame(ids.toSorted(), ids, 'ids in order, at one moment')
})
