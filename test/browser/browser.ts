/**
 * What a browser test starts with: a Chromium, a system of its own, and tabs that are watched: a console error, an
 * uncaught error or a request to another origin fails the test.
 */
import { join } from 'node:path'
import { CHROMIUM_ARGS, findChromium } from '@checkout/testkit/chromium.ts'
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import type { System, SystemOptions } from '../../scripts/system.ts'
import { withSystem } from '../support/system.ts'

/** As long as anything in a page may take; generous, for a slow machine. */
const PAGE_TIMEOUT_MS = 20_000

export interface Browsing {
  readonly system: System
  /** A new tab, by default in a browser profile of its own (nothing stored), on the shop's first page. */
  open(options?: TabOptions): Promise<Page>
}

export interface TabOptions extends BrowserContextOptions {
  /** Another tab beside this one: it shares what is stored in the browser, but not what belongs to a tab. */
  beside?: Page
  /** Console errors that belong to what the test does, such as the broken connections of a killed service. */
  expected?: RegExp
  /** The hash route to start at. Default '#/'. */
  at?: string
}

/**
 * Runs `body` with a system and a Chromium. Without a Chromium the test passes, with a line that says so; with
 * REQUIRE_BROWSER=1 (as CI sets it) it fails.
 */
export async function withBrowser(
  t: Test,
  options: Partial<SystemOptions>,
  body: (browsing: Browsing) => Promise<void>,
): Promise<void> {
  const executablePath = findChromium()
  if (!executablePath) {
    if (process.env.REQUIRE_BROWSER === '1') t.fail('no Chromium found: install one, or set CHROMIUM to its path')
    else console.error('no Chromium found: browser tests skipped (install chromium, or set CHROMIUM to its path)')
    return
  }
  await withSystem(t, options, async (system) => {
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS })
    const trouble: string[] = []
    try {
      await body({
        system,
        async open({ beside, expected, at = '#/', ...contextOptions } = {}) {
          const context = beside?.context() ?? (await browser.newContext({ ...defaults, ...contextOptions }))
          if (!beside) watch(context, system.url, trouble, expected)
          const page = await context.newPage()
          await page.goto(`${system.url}/${at}`)
          return page
        },
      })
    } finally {
      if (!t.passing())
        await photograph(
          t,
          browser.contexts().flatMap((context) => context.pages()),
        )
      await browser.close()
    }
    t.strictSame(trouble, [], 'no console error, no uncaught error, no request to elsewhere')
  })
}

/** Where pictures are left for people: of each view, and of what a failed test had before its eyes. */
export const screenshots = join(import.meta.dirname, 'screenshots')

async function photograph(t: Test, pages: Page[]) {
  for (const [i, page] of pages.entries()) {
    const path = join(screenshots, `failed-${process.pid}-${i + 1}.png`)
    await page.screenshot({ path, timeout: 5_000 }).then(
      () => t.comment(`${page.url()} is shown in ${path}`),
      () => {}, // the page may be what failed
    )
  }
}

/** The tests are written against the English texts; one test switches the language. */
const defaults: BrowserContextOptions = { locale: 'en-GB', viewport: { width: 1280, height: 900 } }

/** Adds a line to `trouble` for whatever no page of ours may do. */
function watch(context: BrowserContext, origin: string, trouble: string[], expected?: RegExp) {
  context.setDefaultTimeout(PAGE_TIMEOUT_MS)
  const report = (line: string) => {
    if (!expected?.test(line)) trouble.push(line)
  }
  context.on('console', (message) => {
    const { url } = message.location()
    if (message.type() === 'error' && !isNotThereYet(message.text(), url)) report(`console: ${message.text()} (${url})`)
  })
  context.on('weberror', (error) => report(`uncaught: ${error.error().stack ?? error.error().message}`))
  const { host } = new URL(origin)
  const visit = (url: string) => {
    const target = new URL(url)
    if (target.host !== host && target.protocol !== 'data:') report(`request to elsewhere: ${url}`)
  }
  context.on('request', (request) => visit(request.url()))
  context.on('page', (page) => {
    page.on('websocket', (socket) => visit(socket.url()))
    page.on('crash', () => report('the page crashed'))
  })
}

/**
 * Chromium writes a console error for every answer from 400 on, which no page can prevent. Two of them are part of a
 * healthy run: an account that is still being opened, and the part of a journey that has not happened yet.
 */
const isNotThereYet = (text: string, url: string) =>
  /status of 404/.test(text) && /\/(accounts\/me(\/transactions)?(\?.*)?|journeys\/[^/]+\/[^/]+)$/.test(url)
