/** What arrives by itself: pushes, over whatever happens to the connection; each shown once, to whom it is for. */
import type { Page, Route } from 'playwright-core'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { eventually } from '../support/eventually.ts'
import { metric } from '../support/settle.ts'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, withBrowser } from './browser.ts'
import {
  balance,
  button,
  connectionIs,
  fillOrder,
  goTo,
  heading,
  messages,
  register,
  topUp,
  untilText,
} from './person.ts'

const INSTANCES = 2

t.test('two instances of each service', async (t) => {
  await withBrowser(t, { instances: INSTANCES }, async (browsing) => {
    await t.test('a push arrives without a reload', (t) => push(t, browsing))
    await t.test('two users side by side in two tabs', (t) => twoTabs(t, browsing))
    await t.test('without a WebSocket the page asks by itself', (t) => polling(t, browsing))
    await t.test('the instance with the WebSocket is killed', (t) => killed(t, browsing))
    await t.test('offline and online again', (t) => offline(t, browsing))
    await t.test('an order whose answer got lost is placed once', (t) => lostAnswer(t, browsing))
    assertNoErrors(t, browsing.system)
  })
})

/** Registers in the browser and waits until pushes come. */
async function newcomer(page: Page, name: string, id: string) {
  await register(page, name, id)
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')
}

/** Places an order elsewhere, as from another device of the same user. */
async function orderElsewhere(system: System, userId: string, description: string) {
  const { body, status } = await client(system.url, userId)('POST', '/orders', { amount: 100, description })
  if (status !== 201) throw new Error(`POST /orders: ${status}`)
  return body.id as string
}

async function untilLetters(system: System, userId: string, count: number) {
  const letters = async () => (await client(system.url, userId)('GET', '/notifications')).body.items.length === count
  await eventually(letters, { what: `${count} letters of ${userId} are written` })
}

/** The descriptions of the orders that the message history is about, newest first. */
async function history(page: Page) {
  await button(page, /^User: /).click()
  await page.getByRole('link', { name: 'Message history' }).click()
  await heading(page, 'Message history').waitFor()
  const items = await page.getByRole('main').getByRole('listitem').allInnerTexts()
  return items.map((text) => text.match(/\bNo\. \d+\b/)?.[0] ?? text)
}

async function push(t: Test, { open, system }: Browsing) {
  const page = await open()
  await newcomer(page, 'Pat', 'pat')
  await goTo(page, 'Account')
  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await page.evaluate(() => Object.assign(window, { sameDocument: true }))
  await orderElsewhere(system, 'pat', 'No. 1')
  await untilText(messages(page).getByRole('alert'), 'No. 1')
  t.notOk(asked.includes('/notifications'), 'nobody had to ask for it')
  t.ok(await page.evaluate(() => 'sameDocument' in window), 'the page was not loaded again')
  const unread = page.getByRole('link', { name: 'Letters' }).getByText('1 unread')
  await unread.waitFor()
  await goTo(page, 'Letters')
  await page.getByRole('link', { name: 'Your order could not be paid' }).waitFor()
  await unread.waitFor({ state: 'detached' })
  await goTo(page, 'Account')
  await topUp(page, '10')
  await goTo(page, 'Letters')
  await orderElsewhere(system, 'pat', 'No. 2')
  await untilText(messages(page).getByRole('status'), 'No. 2')
  await page.getByRole('link', { name: 'Your order is paid' }).waitFor()
  await page.context().close()
}

async function twoTabs(t: Test, { open, system }: Browsing) {
  const ann = await open()
  await newcomer(ann, 'Ann', 'ann')
  const bob = await open({ beside: ann, at: '#/users' })
  await newcomer(bob, 'Bob', 'bob')
  await heading(ann, 'Hello, Ann').waitFor()
  await Promise.all([orderElsewhere(system, 'ann', 'No. 1'), orderElsewhere(system, 'bob', 'No. 2')])
  await untilText(messages(ann), 'No. 1')
  await untilText(messages(bob), 'No. 2')
  t.strictSame(await history(ann), ['No. 1'])
  t.strictSame(await history(bob), ['No. 2'])
  for (const [page, name, own] of [
    [ann, 'Ann', 'No. 1'],
    [bob, 'Bob', 'No. 2'],
  ] as const) {
    await goTo(page, 'Home')
    await page.reload()
    await heading(page, `Hello, ${name}`).waitFor()
    const orders = page.getByRole('main').getByRole('listitem')
    await orders.first().waitFor()
    t.equal(await orders.count(), 1, 'of the two orders, one')
    await untilText(orders.first(), own)
  }
  await ann.context().close()
}

async function polling(t: Test, { open, system }: Browsing) {
  const page = await open()
  await newcomer(page, 'Poll', 'poll')
  // Such as a proxy that lets no WebSocket through: from the next load on none comes to stand.
  await page.routeWebSocket(/stream/, (socket) => socket.close())
  await page.reload()
  await connectionIs(page, 'Polling')
  await orderElsewhere(system, 'poll', 'No. 1')
  await untilText(messages(page), 'No. 1')
  t.strictSame(await history(page), ['No. 1'])
  await page.context().close()
}

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
