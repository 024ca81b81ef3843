/** Pushes and orders over connections that break: an instance that is killed, a browser offline, an answer that got lost. */

import { eventually } from '@checkout/testkit/eventually.ts'
import { button, connectionIs, fillOrder, heading, messages, untilText } from '@checkout/testkit/person.ts'
import type { Route } from 'playwright-core'
import t, { type Test } from 'tap'
import { metric } from '../support/settle.ts'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, withBrowser } from './browser.ts'
import { history, newcomer, orderElsewhere, untilLetters } from './elsewhere.ts'

const INSTANCES = 2

t.test('two instances of each service', async (t) => {
  await withBrowser(t, { instances: INSTANCES }, async (browsing) => {
    await t.test('the instance with the WebSocket is killed', (t) => killed(t, browsing))
    await t.test('offline and online again', (t) => offline(t, browsing))
    await t.test('an order whose answer got lost is placed once', (t) => lostAnswer(t, browsing))
    assertNoErrors(t, browsing.system)
  })
})

async function killed(t: Test, { open, system }: Browsing) {
  // What the browser writes about the connection that breaks, and the requests that hit the killed process.
  const page = await open({ expected: /WebSocket connection to|status of 50[24]|ERR_/ })
  await newcomer(page, 'Kim', 'kim')
  const connections = await Promise.all(
    Array.from({ length: INSTANCES }, (_, i) => metric(system, 'notifications', i + 1, 'websocket_connections')),
  )
  t.strictSame(connections.toSorted(), [0, 1], 'one WebSocket on one of the instances')
  const victim = system.process('notifications-service', connections.indexOf(1) + 1)
  await orderElsewhere(system, 'kim', 'No. 1')
  await untilText(messages(page), 'No. 1')

  victim.restart = false
  victim.kill('SIGKILL')
  await victim.exited()
  await orderElsewhere(system, 'kim', 'No. 2')
  await untilText(messages(page), 'No. 2')
  await connectionIs(page, 'Live')
  await orderElsewhere(system, 'kim', 'No. 3')
  await untilText(messages(page), 'No. 3')
  t.strictSame(await history(page), ['No. 3', 'No. 2', 'No. 1'], 'each once, in order')
  await page.reload()
  await connectionIs(page, 'Live')
  t.strictSame(await history(page), ['No. 3', 'No. 2', 'No. 1'], 'and not again after a reload')

  victim.restart = true
  victim.start()
  await eventually(async () => (await metric(system, 'notifications', victim.instance, 'websocket_connections')) >= 0, {
    what: 'the killed instance is back',
  })
  await page.context().close()
}

async function offline(t: Test, { open, system }: Browsing) {
  const page = await open({ expected: /ERR_INTERNET_DISCONNECTED|WebSocket connection to/ })
  await newcomer(page, 'Olga', 'olga')
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready
  })
  await page.context().setOffline(true)
  await connectionIs(page, 'Offline')
  await orderElsewhere(system, 'olga', 'No. 1')
  await untilLetters(system, 'olga', 1)

  const [worker] = page.context().serviceWorkers()
  const fetched = await worker?.evaluate(() =>
    fetch('/').then(
      () => 'answered',
      () => 'refused',
    ),
  )
  t.equal(fetched, 'refused', 'the service worker has no network either')
  const shell = await page.reload()
  t.ok(shell?.fromServiceWorker(), 'the page comes from the service worker')
  await heading(page, 'Hello, Olga').waitFor()
  await connectionIs(page, 'Offline')
  t.notOk((await messages(page).innerText()).includes('No. 1'))

  await page.context().setOffline(false)
  await connectionIs(page, 'Live')
  await untilText(messages(page), 'No. 1')
  await orderElsewhere(system, 'olga', 'No. 2')
  await untilText(messages(page), 'No. 2')
  t.strictSame(await history(page), ['No. 2', 'No. 1'], 'each once')
  await page.context().close()
}

async function lostAnswer(t: Test, { open, system }: Browsing) {
  // A service worker would keep the requests from being intercepted.
  const page = await open({ serviceWorkers: 'block', expected: /ERR_FAILED/ })
  await newcomer(page, 'Lou', 'lou')
  let taken = 0
  const loseAnswer = async (route: Route) => {
    if (route.request().method() !== 'POST') return route.fallback()
    const answer = await route.fetch()
    if (answer.status() === 201) taken += 1
    await route.abort()
  }
  await page.route('**/orders', loseAnswer)
  await fillOrder(page, 'No. 1', '1.00')
  await button(page, 'Place the order').click()
  await page.getByText('No answer yet').waitFor()
  t.ok(taken > 0, 'the service has taken the order')

  await untilText(messages(page), 'No. 1')

  await page.unroute('**/orders', loseAnswer)
  // The repeated request is answered as the first one was: pending. The list, which knows better, comes after that.
  const answered = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.route('**/orders?*', async (route) => {
    await answered
    await route.fallback()
  })
  await page.reload()
  await page.getByText('No answer yet').waitFor({ state: 'detached' })
  const orders = page.getByRole('main').getByRole('listitem').filter({ hasText: 'No. 1' })
  await untilText(orders, 'Failed')
  const { body } = await client(system.url, 'lou')('GET', '/orders')
  t.equal(body.items.length, 1, 'placed once')
  t.equal(await orders.count(), 1)
  await page.context().close()
}
