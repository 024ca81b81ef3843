/** What a person does in the shop, found the way a person finds it: by role and by name. English texts. */
import type { Locator, Page } from 'playwright-core'
import { eventually } from './eventually.ts'

export const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true })
export const field = (page: Page, form: string, name: string) =>
  page.getByRole('form', { name: form }).getByRole('textbox', { name })
export const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name, level: 1 })
export const balance = (page: Page) => page.getByRole('region', { name: 'Balance' })
/** Where toasts show. */
export const messages = (page: Page) => page.getByRole('region', { name: 'Messages' })

/** Without an id the shop gives one. Ends on the home view. */
export async function register(page: Page, name: string, id = '') {
  await field(page, 'Register', 'Name').fill(name)
  await field(page, 'Register', 'E-mail').fill(`${name.split(' ')[0]?.toLowerCase()}@example.com`)
  await field(page, 'Register', 'User ID').fill(id)
  await button(page, 'Register').click()
  await heading(page, `Hello, ${name}`).waitFor()
}

/** On the home or the account view. */
export async function topUp(page: Page, amount: string) {
  await field(page, 'Top up or withdraw', 'Amount').fill(amount)
  await button(page, 'Top up').click()
  await page.getByText('The money is on your account.').waitFor()
}

/** On the home view; ends on the order's view. */
export async function placeOrder(page: Page, description: string, price: string) {
  await fillOrder(page, description, price)
  await button(page, 'Place the order').click()
  await heading(page, description).waitFor()
}

export async function fillOrder(page: Page, description: string, price: string) {
  await field(page, 'Place an order', 'What would you like?').fill(description)
  await field(page, 'Place an order', 'Price').fill(price)
}

/** By the main navigation. */
export async function goTo(page: Page, place: 'Home' | 'Orders' | 'Account' | 'Letters' | 'System') {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: place }).click()
}

/** Waits until the header says so, such as 'Live' or 'Offline'. */
export const connectionIs = (page: Page, state: string) =>
  untilText(
    page.getByRole('banner').getByRole('paragraph').filter({ hasText: 'Live updates:' }),
    new RegExp(`^Live updates: ${state}$`),
  )

/** The text as a person reads it: no-break spaces are spaces. */
export const textOf = async (locator: Locator) =>
  (await locator.innerText())
    .replace(/[\u00a0\u202f]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

/** Polls until the text is there, or throws with what is there instead. */
export const untilText = (locator: Locator, wanted: string | RegExp) =>
  eventually(
    async () => {
      const text = await textOf(locator)
      if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) return true
      throw new Error(`"${text}"`)
    },
    { what: `the page says ${wanted}` },
  )
