/** /docs/: one page over the three OpenAPI documents. */
import { join } from 'node:path'
import { heading } from '@checkout/testkit/person.ts'
import t, { type Test } from 'tap'
import { assertNoErrors, client } from '../support/system.ts'
import { type Browsing, screenshots, withBrowser } from './browser.ts'

const documents = [
  ['Orders', '/orders/{id}'],
  ['Payments', '/accounts/me/deposits'],
  ['Notifications', '/notifications'],
] as const

t.test('documentation', async (t) => {
  await withBrowser(t, {}, async (browsing) => {
    await documentation(t, browsing)
    assertNoErrors(t, browsing.system)
  })
})

async function documentation(t: Test, { open, system }: Browsing) {
  const page = await open({ at: 'docs/' })
  const selector = page.getByLabel('Select a definition')
  for (const [part, path] of documents) {
    await selector.selectOption({ label: part })
    await page.getByRole('heading', { name: `${part.toLowerCase()}-service` }).waitFor()
    await page.getByText(path, { exact: true }).first().waitFor()
  }

  await page.getByRole('button', { name: 'Authorize', exact: true }).click()
  await page.getByRole('textbox', { name: 'Value:' }).fill('ada')
  await page.getByRole('button', { name: 'Apply credentials' }).click()
  await page.getByRole('button', { name: 'Close' }).click()
  await selector.selectOption({ label: 'Payments' })
  const openAccount = page.locator('#operations-accounts-openAccount')
  await openAccount.getByText('/accounts', { exact: true }).click()
  await openAccount.getByRole('button', { name: 'Execute' }).click()
  await openAccount.locator('.live-responses-table').getByText('201').waitFor()
  t.equal((await client(system.url, 'ada')('GET', '/accounts/me')).status, 200, 'done as the authorised user')

  await page.reload()
  await page.getByRole('heading', { name: 'payments-service' }).waitFor()
  await openAccount.getByRole('button', { name: 'Execute' }).waitFor()
  await openAccount.getByRole('button', { name: 'authorization button locked' }).waitFor()

  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme })
    await page.reload()
    await page.getByRole('heading', { name: 'payments-service' }).waitFor()
    await page.screenshot({ path: join(screenshots, `docs-${theme}-1280.png`) })
  }

  await page.getByRole('link', { name: 'Back to the shop' }).click()
  await heading(page, 'Place an order and watch it travel').waitFor()
  await page.context().close()
}
