/** Clients that do not read what they are pushed: they are closed, nobody else notices, no process holds it for them. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { type RawData, WebSocket } from 'ws'
import { memory } from '../../bench/processes.ts'
import type { System } from '../../scripts/system.ts'
import { followers, startWriting, streamUrl } from '../support/followers.ts'
import { metric } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const INSTANCES = 2
const DEAF = 16
const READERS = 4
/** As large as a letter can be. */
const BIG = 'x'.repeat(10_000)
/** As many as the buffers of most connections hold: the kernel takes what it likes, up to 64 MiB here and there. */
const BIG_LETTERS = 1_600
/** So many more every second, until they are too many for half of the connections. */
const MORE = 100
/**
 * Of a process's resident memory, from before to the most while they do not read: far below what is sent meanwhile. The
 * gateway reads it in pieces that are garbage at once, and V8 lets up to 64 MiB of such lie.
 */
const GROWTH_MIB_MAX: Readonly<Record<string, number>> = { gateway: 96, 'notifications-service': 24 }

t.test('clients that do not read', async (t) => {
  await withSystem(t, { instances: INSTANCES }, async (system) => {
    await notReading(t, system)
    assertNoErrors(t, system)
  })
})

/**
 * Clients that ask for a long backlog and then do not read: those with whom it does not fit into the kernel's buffers
 * are closed. Meanwhile others get their letters, and what is under way to the deaf ones is not held by the processes.
 */
async function notReading(t: Test, system: System) {
  await writeBig(system, 'deaf', BIG_LETTERS)
  // Who reads gets all of it. After that the processes have the size that so much traffic gives them.
  await Promise.all(Array.from({ length: READERS }, () => readAll(t, system, [], BIG_LETTERS)))
  const lively = await followers(t, Array<string>(4).fill(system.url), 'lively')
  const stopWriting = startWriting(t, system.url, 'lively')
  await eventually(() => lively.all.every(({ letters }) => letters.length > 20), {
    what: 'the lively ones get letters',
  })
  const memories = watchMemory(t, system)

  const deaf = await Promise.all(Array.from({ length: DEAF }, () => deafClient(t, system.url)))
  const before = lively.all.map((one) => one.letters.length)
  const letters = await writeUntilSlow(system)
  await eventually(() => lively.all.every((one, i) => one.letters.length > (before[i] ?? 0) + 100), {
    what: 'the lively ones get more letters meanwhile',
  })
  memories.stop()
  const ends = await Promise.all(deaf.map((one) => one.resume(letters)))
  t.comment(`what became of them: ${ends.join(', ')}`)
  t.strictSame(
    ends.filter((end) => ![1013, 1006, 'read all'].includes(end)),
    [],
    'they are told why, or cut off where even that was read too late; or they had room for all',
  )

  const sentMiB = (deaf.reduce((sum, { seqs }) => sum + seqs.length, 0) * BIG.length) / 2 ** 20
  t.comment(`${Math.round(sentMiB)} MiB were on their way to those who did not read`)
  for (const { name, growthMiB } of memories.growth()) {
    t.comment(`${name} grew by ${growthMiB.toFixed(1)} MiB`)
    t.ok(growthMiB < (GROWTH_MIB_MAX[name] ?? 0), `less than ${GROWTH_MIB_MAX[name]}`)
  }
  await stopWriting()
  await lively.caughtUp(system.url)
  t.strictSame(Object.keys(await lively.stop()), ['1005'], 'no other client was closed')
  await Promise.all(deaf.map(({ seqs }) => readAll(t, system, seqs, letters)))
}

async function writeBig(system: System, userId: string, letters: number) {
  let left = letters
  const write = async () => {
    while (left > 0) {
      left -= 1
      const { status } = await client(system.url, userId)('POST', '/notifications', { subject: 'Big', body: BIG })
      if (status !== 201) throw new Error(`POST /notifications: ${status}`)
    }
  }
  await Promise.all(Array.from({ length: 16 }, write))
}

/** Returns how many letters there are then. */
async function writeUntilSlow(system: System) {
  let letters = BIG_LETTERS
  const allSlow = async () => {
    const slow = await slowOnes(system)
    if (slow >= DEAF / 2) return true
    await writeBig(system, 'deaf', MORE)
    letters += MORE
    await delay(1_000)
    throw new Error(`${slow} of ${DEAF}`)
  }
  await eventually(allSlow, { what: 'half of them are found to be too slow', deadlineMs: 90_000 })
  return letters
}

async function slowOnes(system: System) {
  let slow = 0
  for (let k = 1; k <= INSTANCES; k += 1) slow += await metric(system, 'notifications', k, 'websocket_slow_total')
  return slow
}

/** The number of a text's letter without parsing the 10,000 characters behind it; undefined for `ready`. */
function seqOf(data: RawData): number | undefined {
  const start = (data as Buffer).subarray(0, 64).toString()
  return start.startsWith('{"type":"ready"') ? undefined : Number(/"seq":(\d+),/.exec(start)?.[1])
}

/** Asks for everything and reads nothing until it resumes; that resolves with the close code if it is closed. */
async function deafClient(t: Test, url: string) {
  const seqs: number[] = []
  let end: number | 'read all' | undefined
  const socket = new WebSocket(streamUrl(url, 'userId=deaf&since=0'))
  socket.on('message', (data) => {
    const seq = seqOf(data)
    if (seq !== undefined) seqs.push(seq)
  })
  socket.on('close', (code) => {
    end ??= code
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  socket.pause()
  return {
    seqs,
    async resume(letters: number) {
      socket.resume()
      const ended = () => {
        if (seqs.length === letters) end ??= 'read all'
        return end
      }
      return await eventually(ended, { what: 'it is closed, or has read all' })
    },
  }
}

/** Reads what comes after the last one of `seqs` until `ready`: then they are all there, in order. */
async function readAll(t: Test, system: System, seqs: number[], letters: number) {
  const socket = new WebSocket(streamUrl(system.url, `userId=deaf&since=${seqs.at(-1) ?? 0}`))
  await new Promise<void>((resolve, reject) => {
    socket.on('close', (code) => reject(new Error(`closed with ${code}`)))
    socket.on('message', (data) => {
      const seq = seqOf(data)
      if (seq === undefined) resolve()
      else seqs.push(seq)
    })
  })
  socket.terminate()
  t.strictSame(
    seqs,
    Array.from({ length: letters }, (_, i) => i + 1),
    'all letters, each once and in order',
  )
}

/** The most that the processes on a letter's way grow, while watched; none where memory cannot be read. */
function watchMemory(t: Test, system: System) {
  const watched = system.processes.filter(({ name }) => name === 'gateway' || name === 'notifications-service')
  const now = () => watched.map(({ pid }) => memory(pid ?? 0)?.nowMiB)
  const before = now()
  const most = [...before]
  const timer = setInterval(() => {
    for (const [i, mib] of now().entries()) most[i] = Math.max(most[i] ?? 0, mib ?? 0)
  }, 100)
  const stop = () => clearInterval(timer)
  t.teardown(stop)
  return {
    stop,
    growth: () =>
      watched.flatMap(({ name }, i) => {
        const [from, to] = [before[i], most[i]]
        return from === undefined || to === undefined ? [] : [{ name, growthMiB: to - from }]
      }),
  }
}
