/**
 * Every view in one theme, on wide and narrow screens: it survives a reload, does not scroll sideways, has no
 * violation that axe-core finds. What they look like is left in test/browser/screenshots for people to judge.
 */
import { join } from 'node:path'
import { eventually } from '@checkout/testkit/eventually.ts'
import {
  balance,
  button,
  connectionIs,
  fillOrder,
  heading,
  messages,
  register,
  untilText,
} from '@checkout/testkit/person.ts'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, screenshots } from './browser.ts'

/** Such as a laptop and a phone. */
const widths = [1280, 390] as const
/** The narrowest that WCAG 2.2 asks for (1.4.10, reflow). */
const NARROWEST = 320
const HEIGHT = 900
const LONG = `Something with a long description that goes on, and ${'averyveryverylongword'.repeat(9)}`

interface View {
  name: string
  at: string
  heading: string | RegExp
  /** Brings the view to a state that would not survive a reload; such a view is not reloaded. */
  prepare?: (page: Page) => Promise<void>
}

/** All views in one theme, one after the other. */
export async function testViews(t: Test, { open, system }: Browsing, theme: 'light' | 'dark') {
  // One of the views is that of an order which is not there.
  const page = await open({ colorScheme: theme, reducedMotion: 'reduce', expected: /status of 404/ })
  await examine(t, page, { name: 'welcome', at: '#/', heading: 'Place an order and watch it travel' }, theme)
  await seesMistakes(t, page)

  await register(page, 'Ada Lovelace', `ada-${theme}`)
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')
  const api = client(system.url, `ada-${theme}`)
  await examine(t, page, { name: 'home-empty', at: '#/', heading: 'Hello, Ada Lovelace' }, theme)
  await api('POST', '/accounts/me/deposits', { amount: 500_000 })
  const place = async (amount: number, description: string): Promise<string> => {
    const { body } = await api('POST', '/orders', { amount, description })
    await messages(page).getByText(description.slice(0, 60)).waitFor() // toasts shorten what is longer than 80
    return body.id
  }
  const failed = await place(90_000_000, 'Grand piano')
  const long = await place(100, LONG)
  const paid = await place(149_900, 'Sun hat, straw')
  await api('POST', '/accounts/me/withdrawals', { amount: 50_000 })
  const receive = async () => {
    await place(90_000_000, 'Yacht')
    await place(100, 'Postcard')
  }
  const views: View[] = [
    { name: 'home', at: '#/', heading: 'Hello, Ada Lovelace' },
    { name: 'letters', at: '#/letters', heading: 'Letters' },
    { name: 'letter', at: '#/letters/3', heading: 'Your order is paid' },
    { name: 'orders', at: '#/orders', heading: 'Orders' },
    { name: 'order-paid', at: `#/orders/${paid}`, heading: 'Sun hat, straw' },
    { name: 'order-failed', at: `#/orders/${failed}`, heading: 'Grand piano' },
    { name: 'order-long', at: `#/orders/${long}`, heading: LONG },
    { name: 'order-unknown', at: '#/orders/01a202c0-f64b-7d3a-9b52-0d4f6c8e1a2b', heading: 'Order' },
    { name: 'account', at: '#/account', heading: 'Account' },
    { name: 'system', at: '#/system', heading: 'System' },
    { name: 'users', at: '#/users', heading: 'Who is shopping?' },
    { name: 'history', at: '#/history', heading: 'Message history' },
    { name: 'missing', at: '#/nowhere', heading: 'Nothing here' },
    { name: 'order-details', at: `#/orders/${paid}`, heading: 'Sun hat, straw', prepare: openDetails },
    { name: 'menu', at: '#/', heading: 'Hello, Ada Lovelace', prepare: openMenu },
    { name: 'mistakes', at: '#/', heading: 'Hello, Ada Lovelace', prepare: makeMistakes },
    { name: 'toasts', at: '#/orders', heading: 'Orders', prepare: receive },
  ]
  for (const view of views) await examine(t, page, view, theme)
  await page.context().close()
  assertNoErrors(t, system)
}

async function openDetails(page: Page) {
  for (const step of ['Order placed', 'Money taken']) await button(page, new RegExp(`^Details ?: ${step}$`)).click()
}

const openMenu = (page: Page) => button(page, /^User: /).click()

async function makeMistakes(page: Page) {
  await fillOrder(page, '', 'much')
  await button(page, 'Place the order').click()
  await page.getByText('Please fill this in.').waitFor()
}

async function examine(t: Test, page: Page, view: View, theme: string) {
  await page.evaluate((hash) => {
    location.hash = hash
  }, view.at)
  await settled(page, view)
  if (view.prepare) await view.prepare(page)
  else {
    await page.reload()
    await settled(page, view)
  }
  for (const width of [...widths, NARROWEST]) {
    const what = `${view.name} in ${theme}, ${width} px wide`
    await page.setViewportSize({ width, height: HEIGHT })
    t.strictSame(await page.evaluate(whatSticksOut), [], `${what}: no scrolling sideways`)
    if (width === NARROWEST) continue
    t.strictSame(await violations(page), [], `${what}: axe-core finds nothing`)
    await photograph(page, `${view.name}-${theme}-${width}`)
  }
  await page.setViewportSize({ width: widths[0], height: HEIGHT })
}

/** The heading is there and nothing is loading any more. */
async function settled(page: Page, view: View) {
  await heading(page, view.heading).waitFor()
  await eventually(async () => (await page.locator('[aria-busy="true"]').count()) === 0, {
    what: `${view.name} is loaded`,
  })
}

/** All of the page, in a window as high as that: bars at the window's edge are at the picture's. */
async function photograph(page: Page, name: string) {
  const width = page.viewportSize()?.width ?? 0
  await page.mouse.move(0, 0)
  await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) })
  await page.screenshot({ path: join(screenshots, `${name}.png`) })
}

/** Both checks can fail. */
async function seesMistakes(t: Test, page: Page) {
  await page.evaluate(() => {
    const image = document.createElement('img')
    image.width = 2_000
    document.querySelector('main')?.append(image)
  })
  t.match(await violations(page), [/^image-alt: /], 'axe-core finds an image without a text')
  t.match((await page.evaluate(whatSticksOut))[0], /^IMG/, 'an image that is too wide is found')
  await page.reload()
}

/** Runs in the page: elements that make it wider than the window. */
function whatSticksOut(): string[] {
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth <= clientWidth) return []
  return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
    .map((element) => `${element.tagName} ${element.className} ${Math.round(element.getBoundingClientRect().right)}`)
    .slice(0, 10)
    .concat(`the page is ${scrollWidth} wide`)
}

/** All rules of axe-core, best practices included. */
async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  const results = await page.evaluate(() =>
    (window as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] }),
  )
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  )
}
