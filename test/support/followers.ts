/** Clients of one user that all must see the same: each letter once and in order, whatever happens to connections. */
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@checkout/testkit/eventually.ts'
import type { Test } from 'tap'
import { follow } from './follower.ts'
import { client } from './system.ts'

export const STREAM_PATH = '/notifications/stream'
export const streamUrl = (url: string, query: string) => `${url.replace(/^http/, 'ws')}${STREAM_PATH}?${query}`

/** Writes letters to the user, one after another, until stopped; resolves with how many got a 201. */
export function startWriting(t: Test, url: string, userId: string) {
  let running = true
  t.teardown(() => {
    running = false
  })
  const write = async () => {
    let written = 0
    while (running) {
      const letter = { subject: `Letter ${written}`, body: 'Hello' }
      const answer = await client(url, userId)('POST', '/notifications', letter).catch(() => undefined)
      if (answer?.status === 201) written += 1
      await delay(10)
    }
    return written
  }
  const written = write()
  return () => {
    running = false
    return written
  }
}

/** Clients of one user; each must see each letter once and in order, over however many connections. */
export async function followers(t: Test, urls: readonly string[], userId: string) {
  const wrong: string[] = []
  const all = urls.map((url) => follow({ url, userId, onWrong: (sentence) => wrong.push(sentence) }))
  t.teardown(() => Promise.all(all.map((one) => one.stop())))
  await eventually(() => all.every((one) => one.ready), { what: 'all are connected' })
  return {
    all,
    /** Waits until all have all letters that there are; returns how many. */
    async caughtUp(url: string) {
      const listed = await letterIds(url, userId)
      await eventually(() => all.every(({ letters }) => letters.length >= listed.length), {
        what: `each has ${listed.length} letters`,
      })
      for (const { letters } of all) {
        t.strictSame(
          letters.map(({ id }) => id),
          listed,
        )
      }
      t.strictSame(wrong, [], 'no connection brought what it must not')
      return listed.length
    },
    async stop() {
      await Promise.all(all.map((one) => one.stop()))
      return all.reduce<Record<string, number>>((sum, { ends }) => {
        for (const [how, times] of Object.entries(ends)) sum[how] = (sum[how] ?? 0) + times
        return sum
      }, {})
    },
  }
}

/** Ids of all letters of the user as the API lists them, oldest first. */
export async function letterIds(url: string, userId: string): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await client(url, userId)('GET', `/notifications?limit=100${cursor && `&cursor=${cursor}`}`)
    for (const { id } of body.items) ids.unshift(id)
    cursor = body.next
  }
  return ids
}
