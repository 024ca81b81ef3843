/** Push over three instances: whichever one handles the event wakes the others. */

import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { followers, letterIds } from '../support/followers.ts'
import { instanceUrl, metric } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

t.test('three instances', async (t) => {
  await withSystem(t, { instances: 3 }, async (system) => {
    await everyInstance(t, system)
    assertNoErrors(t, system)
  })
})

const ROUNDS = 21
/** How often an instance looks by itself (notifications-service/src/push.ts). */
const CHECK_EVERY_MS = 5_000

/** On whichever instance a client is, and whichever one handles the event: it gets every push of its user, nobody else. */
async function everyInstance(t: Test, system: System) {
  const userId = 'everywhere'
  const instances = [1, 2, 3].map((k) => instanceUrl(system, 'notifications', k))
  const clients = await followers(t, [...instances, system.url, system.url, system.url], userId)
  const others = await followers(t, instances, 'somebody-else')
  const handled = () => Promise.all([1, 2, 3].map((k) => metric(system, 'notifications', k, 'events_handled_total')))

  // Each waits for the one before. Without wake-ups between the instances each would take as long as from check to check.
  const tookMs: number[] = []
  for (let n = 1; n <= ROUNDS; n += 1) {
    const letter = { subject: `Letter ${n}`, body: 'From an instance' }
    const startedAt = performance.now()
    const answer = await client(instances[n % 3] as string, userId)('POST', '/notifications', letter)
    t.equal(answer.status, 201)
    const everywhere = () => clients.all.every(({ letters }) => letters.length === n)
    await eventually(everywhere, { what: `letter ${n} of ${ROUNDS} is everywhere` })
    tookMs.push(performance.now() - startedAt)
  }
  const median = tookMs.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0
  t.ok(median < CHECK_EVERY_MS / 2, `half of them took less than ${Math.round(median)} ms, woken, not found at a check`)
  const before = await handled()
  let orders = 0
  await eventually(
    async () => {
      // Not registered, so each order fails, with a letter.
      const order = { amount: 1, description: `order ${++orders}` }
      t.equal((await client(system.url, userId)('POST', '/orders', order)).status, 201)
      return (await handled()).every((count, i) => count > (before[i] ?? 0))
    },
    { what: 'each instance has handled an event' },
  )
  const letters = async () => (await letterIds(system.url, userId)).length === orders + ROUNDS
  await eventually(letters, { what: 'a letter for each order' })
  t.comment(`${await clients.caughtUp(system.url)} letters to ${clients.all.length} connections`)
  t.strictSame(
    clients.all.map(({ readies }) => readies),
    clients.all.map(() => 1),
    'over one connection each',
  )
  t.equal(await others.caughtUp(system.url), 0, 'nobody else got any')
  await Promise.all([clients.stop(), others.stop()])
}
