/** What arrives by itself: pushes, or what the page asks for where none come; each shown once, to whom it is for. */

import { connectionIs, goTo, heading, messages, topUp, untilText } from '@checkout/testkit/person.ts'
import t, { type Test } from 'tap'
import { assertNoErrors } from '../support/system.ts'
import { type Browsing, withBrowser } from './browser.ts'
import { history, newcomer, orderElsewhere } from './elsewhere.ts'

const INSTANCES = 2

t.test('two instances of each service', async (t) => {
  await withBrowser(t, { instances: INSTANCES }, async (browsing) => {
    await t.test('a push arrives without a reload', (t) => push(t, browsing))
    await t.test('two users side by side in two tabs', (t) => twoTabs(t, browsing))
    await t.test('without a WebSocket the page asks by itself', (t) => polling(t, browsing))
    assertNoErrors(t, browsing.system)
  })
})

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
