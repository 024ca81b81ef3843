/** /docs/events/: the AsyncAPI document as a page, without a script. */
import axe from 'axe-core'
import t from 'tap'
import { withBrowser } from './browser.ts'

t.test('leads from the HTTP documentation to each event, its fields and an example', async (t) => {
  await withBrowser(t, {}, async ({ open }) => {
    const page = await open({ at: 'docs/' })
    await page.getByRole('link', { name: 'Events and WebSocket' }).first().click()
    await page.getByRole('heading', { name: 'Checkout: messages' }).waitFor()
    await page.getByRole('region', { name: 'All channels' }).getByRole('link', { name: 'orders.created.v1' }).click()
    const section = page.getByRole('region', { name: 'orders.created.v1', exact: true })
    t.ok(await section.getByText('payments-service reads orders.created.v1.').isVisible())
    t.ok(await section.getByRole('cell', { name: 'data.userRegistered' }).isVisible())
    await section.getByText('Example: Ada orders a hat.').click()
    t.match(await section.locator('pre').innerText(), '"description": "Sun hat, straw"')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.evaluate(axe.source)
      const violations = await page.evaluate(async () => {
        const { violations } = await (window as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] })
        return violations.map(({ id, help }) => `${id}: ${help}`)
      })
      t.strictSame(violations, [], `${colorScheme}: axe-core finds nothing`)
    }
  })
})
