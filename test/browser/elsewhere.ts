/** What happens to a user outside of the page, and what the page has made of it. */

import { eventually } from '@checkout/testkit/eventually.ts'
import { balance, button, connectionIs, heading, register, untilText } from '@checkout/testkit/person.ts'
import type { Page } from 'playwright-core'
import type { System } from '../../scripts/system.ts'
import { client } from '../support/system.ts'

/** Registers in the browser and waits until pushes come. */
export async function newcomer(page: Page, name: string, id: string) {
  await register(page, name, id)
  await untilText(balance(page), '₽0.00')
  await connectionIs(page, 'Live')
}

/** Places an order elsewhere, as from another device of the same user. */
export async function orderElsewhere(system: System, userId: string, description: string) {
  const { body, status } = await client(system.url, userId)('POST', '/orders', { amount: 100, description })
  if (status !== 201) throw new Error(`POST /orders: ${status}`)
  return body.id as string
}

export async function untilLetters(system: System, userId: string, count: number) {
  const letters = async () => (await client(system.url, userId)('GET', '/notifications')).body.items.length === count
  await eventually(letters, { what: `${count} letters of ${userId} are written` })
}

/** The descriptions of the orders that the message history is about, newest first. */
export async function history(page: Page) {
  await button(page, /^User: /).click()
  await page.getByRole('link', { name: 'Message history' }).click()
  await heading(page, 'Message history').waitFor()
  const items = await page.getByRole('main').getByRole('listitem').allInnerTexts()
  return items.map((text) => text.match(/\bNo\. \d+\b/)?.[0] ?? text)
}
