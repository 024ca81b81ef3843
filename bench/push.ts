/**
 * How soon a user learns what became of an order, one order at a time on an idle system: from just before the POST
 * until the letter's frame is in a Node client, and until its toast is in the page of the web UI in a Chromium. Both on
 * one clock each: the page measures itself, with performance.now() and a MutationObserver.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { CHROMIUM_ARGS, findChromium } from '@checkout/testkit/chromium.ts'
import { connectionIs, register } from '@checkout/testkit/person.ts'
import { chromium, type Page } from 'playwright-core'
import { WebSocket } from 'ws'
import { type Percentiles, percentiles } from './cell.ts'
import { type Api, pause } from './http.ts'
import { fund, newUser } from './users.ts'

/** Their times do not count: code is compiled, connections are made. */
const WARM_UP = 20
/** Between two orders, so that the one before has left every queue. */
const PAUSE_MS = 20
const PUSH_DEADLINE_MS = 30_000

export interface PushTimes {
  orders: number
  frameMs: Percentiles
  /** Null when it could not be measured. */
  toastMs: Percentiles | null
  why?: string
}

export interface PushOptions {
  api: Api
  baseUrl: string
  orders: number
  progress(text: string): void
}

/** Places `orders` orders and as many again in the browser. Throws when a push does not come. */
export async function measurePush(options: PushOptions): Promise<PushTimes> {
  const frameMs = percentiles(await frameTimes(options))
  const program = findChromium()
  const times = { orders: options.orders, frameMs }
  if (!program) return { ...times, toastMs: null, why: 'no Chromium: install one, or set CHROMIUM to its path' }
  return { ...times, toastMs: percentiles(await toastTimes(program, options)) }
}

const order = { amount: 100, description: 'Bench order' }

async function frameTimes({ api, baseUrl, orders, progress }: PushOptions): Promise<number[]> {
  const { id } = newUser(`bench-push-${randomBytes(4).toString('hex')}`)
  await api.post('/users', id, { name: 'Bench', email: `${id}@example.com` })
  await fund(api, id)
  const socket = new WebSocket(`${baseUrl.replace(/^http/, 'ws')}/notifications/stream?userId=${id}`)
  const next = () => once(socket, 'message', { signal: AbortSignal.timeout(PUSH_DEADLINE_MS) })
  const times: number[] = []
  try {
    await next() // ready
    for (let i = -WARM_UP; i < orders; i += 1) {
      const pushed = next()
      const startedAt = performance.now()
      await Promise.all([api.post('/orders', id, order), pushed.then(() => times.push(performance.now() - startedAt))])
      progress(`POST → WebSocket frame: ${Math.max(0, i + 1)} of ${orders} orders`)
      await pause(PAUSE_MS)
    }
  } finally {
    socket.terminate()
  }
  return times.slice(WARM_UP)
}

async function toastTimes(program: string, { api, baseUrl, orders, progress }: PushOptions): Promise<number[]> {
  progress('POST → toast: starting a Chromium')
  const browser = await chromium.launch({ executablePath: program, args: CHROMIUM_ARGS })
  try {
    const page = await browser.newPage({ locale: 'en-GB' })
    page.setDefaultTimeout(PUSH_DEADLINE_MS)
    await page.goto(`${baseUrl}/`)
    const id = `bench-toast-${randomBytes(4).toString('hex')}`
    await register(page, 'Bench', id)
    await connectionIs(page, 'Live')
    await fund(api, id)
    const times: number[] = []
    for (let i = -WARM_UP; i < orders; i += 1) {
      times.push(await toastTime(page, id))
      progress(`POST → toast: ${Math.max(0, i + 1)} of ${orders} orders`)
      await pause(PAUSE_MS)
    }
    return times.slice(WARM_UP)
  } finally {
    await browser.close()
  }
}

/** From just before the POST until the order's toast is in the document, by the page's clock. Dismisses the toast. */
const toastTime = (page: Page, userId: string): Promise<number> =>
  page.evaluate(`(${IN_PAGE})(${JSON.stringify({ userId, order, deadlineMs: PUSH_DEADLINE_MS })})`)

/** A text, because it runs in the page: the types of the bench are Node's, and know no document. */
const IN_PAGE = `async ({ userId, order, deadlineMs }) => {
  const shown = new Promise((resolve, reject) => {
    const observer = new MutationObserver(() => {
      const toast = document.querySelector('[role="status"] .toast')
      if (!toast) return
      resolve({ at: performance.now(), toast })
      observer.disconnect()
    })
    observer.observe(document.body, { childList: true, subtree: true })
    setTimeout(() => reject(new Error('no toast came')), deadlineMs)
  })
  const startedAt = performance.now()
  const answer = await fetch('/orders', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-user-id': userId },
    body: JSON.stringify(order),
  })
  const { id } = await answer.json()
  const { at, toast } = await shown
  if (!toast.querySelector('a[href$="/orders/' + id + '"]')) throw new Error('a toast about something else')
  toast.querySelector('[data-dismiss]').click()
  return at - startedAt
}`
