/** Getting about with the keyboard alone. */
import type { Locator, Page } from 'playwright-core'
import type { Test } from 'tap'

const STOPS_MAX = 80

/** Presses Tab until the target has the focus; on the way every stop must show that it has it. */
export async function tabTo(t: Test, page: Page, target: Locator) {
  const unseen: string[] = []
  for (let stop = 0; stop < STOPS_MAX; stop++) {
    await page.keyboard.press('Tab')
    const { name, shown, reached } = await target.evaluate(focusState)
    if (!shown) unseen.push(name)
    if (reached) {
      t.strictSame(unseen, [], 'every stop on the way shows its focus')
      return
    }
  }
  t.fail(`${target} was not reached by Tab`)
}

/** Runs in the page. */
function focusState(target: Element) {
  const element = document.activeElement
  const styles = [element, element?.parentElement].flatMap((one) => (one ? [getComputedStyle(one)] : []))
  return {
    reached: element === target,
    name: (element?.getAttribute('aria-label') || element?.textContent || element?.tagName || '').slice(0, 60),
    shown:
      element === document.body ||
      styles.some(
        (style) => (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none',
      ),
  }
}

/** What the element with the focus is called. */
export const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement
    if (!element || element === document.body) return ''
    const labels = (element as HTMLInputElement).labels
    return (element.getAttribute('aria-label') ?? labels?.[0]?.textContent ?? element.textContent ?? '').trim()
  })
