/** The shop as a person uses it, from the first visit to the last kopeck. */
import { gzipSync } from 'node:zlib'
import { eventually } from '@checkout/testkit/eventually.ts'
import {
  balance,
  button,
  connectionIs,
  field,
  fillOrder,
  goTo,
  heading,
  messages,
  placeOrder,
  register,
  textOf,
  topUp,
  untilText,
} from '@checkout/testkit/person.ts'
import type { Locator } from 'playwright-core'
import t, { type Test } from 'tap'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, withBrowser } from './browser.ts'
import { focused, tabTo } from './keyboard.ts'

t.test('a healthy shop', async (t) => {
  await withBrowser(t, {}, async (browsing) => {
    await t.test('a first visit', (t) => firstVisit(t, browsing))
    await t.test('from registering to withdrawing what is left', (t) => wholeStory(t, browsing))
    await t.test('the same with the keyboard alone', (t) => byKeyboard(t, browsing))
    await t.test('good news wait for their reader', (t) => goodNews(t, browsing))
    assertNoErrors(t, browsing.system)
  })
})

/** gzip, all that the first page needs. */
const FIRST_VISIT_BYTES_MAX = 60 * 1024

async function firstVisit(t: Test, { open }: Browsing) {
  const page = await open()
  await heading(page, 'Place an order and watch it travel').waitFor()
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready
  })
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
  const files = [page.url(), ...loaded].filter((url) => !url.includes('/status/'))
  t.ok(files.length >= 3, 'the page, its script and its style')
  let bytes = 0
  for (const url of files) bytes += gzipSync(await (await fetch(url)).bytes()).length
  t.ok(bytes <= FIRST_VISIT_BYTES_MAX, `${bytes} bytes, gzip`)

  const browser = await page.context().newCDPSession(page)
  t.strictSame((await browser.send('Page.getAppManifest')).errors, [], 'the manifest is right')
  const { installabilityErrors } = await browser.send('Page.getInstallabilityErrors')
  const errors = installabilityErrors.map(({ errorId }) => errorId)
  t.strictSame(errors, ['in-incognito'], 'nothing but the private mode of tests keeps it from being installed')
  await page.context().close()
}

async function wholeStory(t: Test, { open, system }: Browsing) {
  const page = await open()
  await register(page, 'Ada Lovelace', 'ada')
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')

  await topUp(page, '5 000')
  await untilText(balance(page), '₽5,000.00')

  await placeOrder(page, 'Sun hat, straw', '1499.00')
  const toast = messages(page).getByRole('status')
  await untilText(toast, 'Sun hat, straw')
  await page.getByText('Paid', { exact: true }).waitFor()
  await page.getByText('Arrived', { exact: true }).waitFor()
  const steps = page.getByRole('list', { name: 'Steps of the journey' }).getByRole('heading')
  t.strictSame(
    await steps.allInnerTexts(),
    [
      ...['Order placed', 'Written to the outbox', 'Published to the stream'],
      ...['Taken from the stream', 'Payment decided', 'Money taken'],
      ...['Written to the outbox', 'Published to the stream'],
      ...['Taken from the stream', 'Order paid', 'Written to the outbox', 'Published to the stream'],
      ...['Taken from the stream', 'Letter written', 'Push received'],
    ],
    'the journey is complete',
  )
  await button(page, /^Details ?: Order placed$/).click()
  await untilText(page.getByRole('group', { name: 'Payload' }).first(), '"amount": 149900')

  await page.getByRole('link', { name: 'Letter about it' }).click()
  await heading(page, 'Your order is paid').waitFor()
  t.match(await textOf(page.getByRole('main')), /ada@example\.com .*Good news: your order "Sun hat, straw" is paid/)

  await goTo(page, 'Account')
  await field(page, 'Top up or withdraw', 'Amount').fill('3501,00')
  await button(page, 'Withdraw').click()
  await page.getByText('The money is withdrawn.').waitFor()
  await untilText(balance(page), '₽0.00')
  const rows = page.getByRole('table').getByRole('row')
  await eventually(async () => (await rows.count()) === 4, { what: 'three transactions under their heading' })
  const [, withdrawal, payment, deposit] = await rows.all()
  for (const [row, text] of [
    [withdrawal, /^Withdrawal .* -₽3,501\.00 ₽0\.00$/],
    [payment, /^Payment of an order .* -₽1,499\.00 ₽3,501\.00$/],
    [deposit, /^Top-up .* \+₽5,000\.00 ₽5,000\.00$/],
  ] as const) {
    t.match((await textOf(row as Locator)).replace('−', '-'), text)
  }

  await goTo(page, 'Orders')
  const order = page.getByRole('main').getByRole('listitem').filter({ hasText: 'Sun hat, straw' })
  t.match(await textOf(order), /Paid ₽1,499\.00/)
  t.equal((await client(system.url, 'ada')('GET', '/accounts/me')).body.balance, 0, 'the service says the same')
  await page.context().close()
}

async function byKeyboard(t: Test, { open }: Browsing) {
  const page = await open()
  const { keyboard } = page
  await tabTo(t, page, field(page, 'Register', 'Name'))
  await keyboard.type('Grace Hopper')
  await tabTo(t, page, field(page, 'Register', 'E-mail'))
  await keyboard.type('grace@example.com')
  await keyboard.press('Enter')
  await heading(page, 'Hello, Grace Hopper').waitFor()
  t.equal(await focused(page), 'Hello, Grace Hopper', 'the focus follows to the new view')
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')

  await tabTo(t, page, field(page, 'Top up or withdraw', 'Amount'))
  await keyboard.type('100')
  await tabTo(t, page, button(page, 'Top up'))
  await keyboard.press('Enter')
  await untilText(balance(page), '₽100.00')

  const order = field(page, 'Place an order', 'What would you like?')
  await tabTo(t, page, order)
  await keyboard.type('Harpsichord')
  await tabTo(t, page, field(page, 'Place an order', 'Price'))
  await keyboard.type('100.01')
  await keyboard.press('Enter')
  await heading(page, 'Harpsichord').waitFor()

  // Bad news stay until they are dismissed, which does not lose the focus.
  const dismiss = messages(page).getByRole('button', { name: /^Dismiss/ })
  await dismiss.waitFor()
  await tabTo(t, page, dismiss)
  await keyboard.press('Enter')
  await dismiss.waitFor({ state: 'detached' })
  t.not(await focused(page), '', 'the focus is somewhere')
  await tabTo(t, page, page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Home' }))
  await keyboard.press('Enter')
  await heading(page, 'Hello, Grace Hopper').waitFor()

  await tabTo(t, page, order)
  await keyboard.type('Compiler')
  await tabTo(t, page, field(page, 'Place an order', 'Price'))
  await keyboard.type('99.99')
  await tabTo(t, page, button(page, 'Place the order'))
  await keyboard.press('Space')
  await heading(page, 'Compiler').waitFor()
  await page.getByText('Arrived', { exact: true }).waitFor()

  await tabTo(t, page, button(page, /^Details ?: Money taken$/))
  await keyboard.press('Enter')
  await page.getByText('"balanceAfter": 1').waitFor()

  await tabTo(t, page, page.getByRole('link', { name: 'Letter about it' }))
  await keyboard.press('Enter')
  await heading(page, 'Your order is paid').waitFor()

  await page.reload()
  await heading(page, 'Your order is paid').waitFor()
  await keyboard.press('Tab')
  t.equal(await focused(page), 'Skip to content', 'the first stop leads past the navigation')
  await keyboard.press('Enter')
  await tabTo(t, page, page.getByRole('link', { name: 'The order' }))
  await page.context().close()
}

/** The page's time stands still but for the steps made here: nothing goes while the test looks elsewhere. */
async function goodNews(t: Test, { open }: Browsing) {
  const page = await open()
  await register(page, 'Dorothy')
  await untilText(balance(page), '₽0.00')
  await topUp(page, '1')
  await connectionIs(page, 'Live')
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 1_000)
  await fillOrder(page, 'Abacus', '1')
  await button(page, 'Place the order').click()
  const dismiss = messages(page).getByRole('button', { name: /^Dismiss/ })
  const shown = async () => {
    await page.clock.runFor(100)
    return dismiss.isVisible()
  }
  await eventually(shown, { what: 'the message is there' })
  await dismiss.focus()
  await page.clock.runFor(60_000)
  t.ok(await dismiss.isVisible(), 'with the focus on it it stays')
  await page.getByRole('link', { name: 'Home' }).first().focus()
  await page.clock.runFor(60_000)
  await dismiss.waitFor({ state: 'detached' })
  await page.context().close()
}
