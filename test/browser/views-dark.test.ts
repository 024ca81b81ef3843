import t from 'tap'
import { withBrowser } from './browser.ts'
import { testViews } from './views.ts'

t.test('every view in the dark theme', async (t) => {
  await withBrowser(t, {}, (browsing) => testViews(t, browsing, 'dark'))
})
