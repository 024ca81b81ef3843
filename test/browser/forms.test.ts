/** What goes otherwise than in the story: orders that fail, mistakes, several users, many orders, another language. */

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
  untilText,
} from '@checkout/testkit/person.ts'
import type { Locator } from 'playwright-core'
import t, { type Test } from 'tap'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, withBrowser } from './browser.ts'
import { focused } from './keyboard.ts'

t.test('a healthy shop', async (t) => {
  await withBrowser(t, {}, async (browsing) => {
    await t.test('an order that cannot be paid', (t) => failedOrder(t, browsing))
    await t.test('mistakes are shown where they were made', (t) => mistakes(t, browsing))
    await t.test('several users in one tab', (t) => severalUsers(t, browsing))
    await t.test('more orders than fit on a page', (t) => manyOrders(t, browsing))
    await t.test('a message to oneself', (t) => message(t, browsing))
    await t.test('in Russian, in the dark', (t) => inRussian(t, browsing))
    assertNoErrors(t, browsing.system)
  })
})

async function failedOrder(t: Test, { open }: Browsing) {
  const page = await open()
  await register(page, 'Rear Admiral')
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')
  await placeOrder(page, 'Grand piano', '900000')
  await untilText(messages(page).getByRole('alert'), 'Grand piano')
  await page.getByText('Failed', { exact: true }).waitFor()
  await page.getByText('There was not enough money on the account; nothing was taken.').waitFor()
  await page.getByText('Arrived', { exact: true }).waitFor()
  const steps = await page.getByRole('list', { name: 'Steps of the journey' }).getByRole('heading').allInnerTexts()
  t.ok(steps.includes('Order failed') && steps.includes('Push received'), 'its journey ends too')
  t.notOk(steps.includes('Money taken'), 'and no money was taken on the way')

  await goTo(page, 'Orders')
  await page.getByRole('radio', { name: 'Paid' }).check()
  await page.getByText('No orders like this').waitFor()
  await page.getByRole('radio', { name: 'Failed' }).check()
  await page.getByRole('link', { name: 'Grand piano' }).waitFor()
  await page.context().close()
}

async function mistakes(t: Test, { open }: Browsing) {
  const page = await open({ expected: /status of (400|404|409)/ })
  await button(page, 'Register').click()
  t.match(await errorOf(field(page, 'Register', 'Name')), /\w/)
  t.match(await errorOf(field(page, 'Register', 'E-mail')), /\w/)
  t.equal(await focused(page), 'Name', 'the first mistake has the focus')
  await field(page, 'Register', 'Name').fill('Mary')
  await field(page, 'Register', 'E-mail').fill('nonsense')
  await button(page, 'Register').click()
  t.match(await errorOf(field(page, 'Register', 'E-mail')), /\w/)
  t.notOk(
    await field(page, 'Register', 'Name').getAttribute('aria-invalid'),
    'what is right now is not complained about',
  )
  await field(page, 'Enter by ID', 'Your user ID').fill('nobody-of-that-name')
  await button(page, 'Enter').click()
  t.match(await errorOf(field(page, 'Enter by ID', 'Your user ID')), /\w/)
  await register(page, 'Mary')
  await untilText(balance(page), '₽0.00')

  for (const amount of ['', 'much', '-5', '0', '1.234', '99999999999999']) {
    await field(page, 'Top up or withdraw', 'Amount').fill(amount)
    await button(page, 'Top up').click()
    t.match(await errorOf(field(page, 'Top up or withdraw', 'Amount')), /\w/, `"${amount}" is no amount`)
  }
  await field(page, 'Top up or withdraw', 'Amount').fill('1')
  await button(page, 'Withdraw').click()
  await untilText(page.getByRole('form', { name: 'Top up or withdraw' }), /balance|not enough/i)

  await fillOrder(page, '', '0.001')
  await button(page, 'Place the order').click()
  t.match(await errorOf(field(page, 'Place an order', 'What would you like?')), /\w/)
  t.match(await errorOf(field(page, 'Place an order', 'Price')), /\w/)
  await page.getByText('No orders yet').waitFor()
  await page.context().close()
}

async function severalUsers(t: Test, { open }: Browsing) {
  const page = await open({ expected: /status of 404/ })
  await register(page, 'Tick', 'tick')
  await button(page, 'User: Tick').click()
  await page.getByRole('link', { name: 'Register or enter as somebody else' }).click()
  await register(page, 'Trick', 'trick')
  await button(page, 'User: Trick').click()
  await page.getByRole('button', { name: /^Tick/ }).click()
  await heading(page, 'Hello, Tick').waitFor()

  await button(page, 'User: Tick').click()
  await button(page, 'Leave').click()
  await heading(page, 'Who is shopping?').waitFor()
  await button(page, /^Switch.* Trick$/).click()
  await heading(page, 'Hello, Trick').waitFor()
  await page.reload()
  await heading(page, 'Hello, Trick').waitFor()

  await button(page, 'User: Trick').click()
  await page.getByRole('link', { name: 'Register or enter as somebody else' }).click()
  await button(page, 'Forget Tick in this browser').click()
  await button(page, 'Forget').click()
  await button(page, /^Switch.* Tick$/).waitFor({ state: 'detached' })
  await field(page, 'Enter by ID', 'Your user ID').fill('tick')
  await button(page, 'Enter').click()
  await heading(page, 'Hello, Tick').waitFor()
  t.equal(await focused(page), 'Hello, Tick')
  await page.context().close()
}

async function manyOrders(t: Test, { open, system }: Browsing) {
  const page = await open()
  await register(page, 'Vast', 'vast')
  const api = client(system.url, 'vast')
  const names = Array.from({ length: 45 }, (_, i) => `Order ${i + 1}`)
  for (const description of names) await api('POST', '/orders', { amount: 100, description })
  await goTo(page, 'Orders')
  const rows = page
    .getByRole('main')
    .getByRole('listitem')
    .getByText(/^Order \d+$/)
  await eventually(async () => (await rows.count()) >= 20, { what: 'the first page' })
  while (await button(page, 'Load more').isVisible()) {
    const before = await rows.count()
    await button(page, 'Load more').click()
    await eventually(async () => (await rows.count()) > before, { what: 'the next page' })
  }
  t.strictSame(await rows.allInnerTexts(), names.toReversed(), 'each order once, the newest first')
  await page.context().close()
}

async function message(t: Test, { open }: Browsing) {
  const page = await open()
  await register(page, 'Wanda')
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')
  await goTo(page, 'Letters')
  await page.getByText('No letters yet').waitFor()
  await field(page, 'Write to yourself', 'Subject').fill('Shopping list')
  await field(page, 'Write to yourself', 'Text').fill('Hat\n<b>Piano</b>')
  await button(page, 'Send').click()
  await page.getByText('Sent.', { exact: true }).waitFor()
  await untilText(messages(page).getByRole('status'), 'Shopping list')
  await page.getByRole('main').getByRole('link', { name: 'Shopping list' }).click()
  await heading(page, 'Shopping list').waitFor()
  t.match(await textOf(page.getByRole('main')), 'Hat <b>Piano</b>', 'what was written, as it was written')
  await page.context().close()
}

async function inRussian(t: Test, { open }: Browsing) {
  const page = await open({ locale: 'ru-RU' })
  const form = page.getByRole('form', { name: 'Регистрация' })
  await form.getByRole('textbox', { name: 'Имя' }).fill('Софья')
  await form.getByRole('textbox', { name: 'Эл. почта' }).fill('sofia@example.com')
  await button(page, 'Зарегистрироваться').click()
  await heading(page, 'Здравствуйте, Софья').waitFor()
  t.equal(await page.locator('html').getAttribute('lang'), 'ru')
  const money = page.getByRole('form', { name: 'Пополнить или снять' })
  await untilText(page.getByRole('region', { name: 'Баланс' }), '0,00 ₽')
  await money.getByRole('textbox', { name: 'Сумма' }).fill('1 500,50')
  await button(page, 'Пополнить').click()
  await untilText(page.getByRole('region', { name: 'Баланс' }), '1 500,50 ₽')

  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await background()
  await page.getByLabel('Тема').selectOption({ label: 'Тёмная' })
  t.not(await background(), light, 'it is dark')
  const dark = await background()
  await page.getByLabel('Язык').selectOption({ label: 'English' })
  await heading(page, 'Hello, Софья').waitFor()
  await untilText(balance(page), '₽1,500.50')
  await page.reload()
  await heading(page, 'Hello, Софья').waitFor()
  t.equal(await page.locator('html').getAttribute('lang'), 'en', 'the language is kept')
  t.equal(await background(), dark, 'and the theme')
  await page.context().close()
}

/** The message that belongs to a field; waits until there is one. */
async function errorOf(input: Locator): Promise<string> {
  await eventually(async () => (await input.getAttribute('aria-invalid')) === 'true', { what: 'the field is marked' })
  return input.evaluate((element) => {
    const ids = (element.getAttribute('aria-describedby') ?? '').split(' ')
    const texts = ids.map((id) => document.getElementById(id)).filter((one) => one?.classList.contains('field-error'))
    return texts.map((one) => one?.textContent).join(' ')
  })
}
