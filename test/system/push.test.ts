/** Push through the gateway, over real processes: who may connect, which instance, what comes when processes end. */
import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type RawData, WebSocket } from 'ws'
import { memory } from '../../bench/processes.ts'
import type { ManagedProcess } from '../../scripts/managed-process.ts'
import type { System } from '../../scripts/system.ts'
import { eventually } from '../support/eventually.ts'
import { follow } from '../support/follower.ts'
import { instanceUrl, metric, untilReady } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const PATH = '/notifications/stream'
const INSTANCES = 2

t.test('two instances', async (t) => {
  await withSystem(t, { instances: INSTANCES }, async (system) => {
    await t.test('refused before the upgrade', (t) => refused(t, system))
    await t.test('pages of the gateway’s own origin', (t) => ownOrigin(t, system))
    await t.test('a client that sends too much', (t) => tooMuch(t, system))
    await t.test('an instance is stopped', (t) => instanceEnds(t, system, 'SIGTERM'))
    await t.test('an instance is killed', (t) => instanceEnds(t, system, 'SIGKILL'))
    await t.test('the gateway is stopped', (t) => gatewayEnds(t, system))
    await t.test('clients that do not read', (t) => notReading(t, system))
    assertNoErrors(t, system)
  })
})

t.test('three instances', async (t) => {
  await withSystem(t, { instances: 3 }, async (system) => {
    await everyInstance(t, system)
    assertNoErrors(t, system)
  })
})

const streamUrl = (url: string, query: string) => `${url.replace(/^http/, 'ws')}${PATH}?${query}`

/** The answer to an upgrade request, as it came. */
async function upgrade(url: string, query: string, headers: Record<string, string>) {
  const { hostname, port } = new URL(url)
  const offered = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }
  const asked = request({ hostname, port, path: `${PATH}?${query}`, headers: { ...offered, ...headers } })
  asked.end()
  const [answer] = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')])
  if (answer.statusCode === 101) {
    answer.socket.destroy()
    return { status: 101, headers: answer.headers, body: undefined }
  }
  let text = ''
  for await (const chunk of answer) text += chunk
  return { status: answer.statusCode as number, headers: answer.headers, body: JSON.parse(text) }
}

async function refused(t: Test, system: System) {
  const ada = { 'x-user-id': 'ada' }
  const cases: [string, string, Record<string, string>, number, string][] = [
    ['nobody', '', {}, 401, 'user_id_required'],
    ['a user that would be two tokens of a subject', 'userId=a.b', {}, 400, 'user_id_invalid'],
    ['a wildcard', 'userId=*', {}, 400, 'user_id_invalid'],
    ['header and parameter differ', 'userId=bob', ada, 400, 'user_id_invalid'],
    ['since is no number', 'userId=ada&since=x', {}, 400, 'validation_failed'],
    ['since is negative', 'userId=ada&since=-1', {}, 400, 'validation_failed'],
    ['a foreign origin', 'userId=ada', { origin: 'https://evil.example' }, 403, 'origin_forbidden'],
    ['another port', 'userId=ada', { origin: 'http://localhost:1' }, 403, 'origin_forbidden'],
    ['a sandboxed page', 'userId=ada', { origin: 'null' }, 403, 'origin_forbidden'],
  ]
  for (const [name, query, headers, status, code] of cases) {
    const requestId = `refused-${status}`
    const asked = { ...headers, 'x-request-id': requestId }
    const answer = await upgrade(system.url, query, asked)
    t.match(answer, { status, body: { status, code, requestId } }, name)
    t.equal(answer.headers['content-type'], 'application/problem+json')
    const direct = await upgrade(instanceUrl(system, 'notifications'), query, asked)
    t.strictSame(unchanged(answer), unchanged(direct), 'the gateway changes nothing')
  }
  const plain = await client(system.url, 'ada')('GET', PATH)
  t.match(plain, { status: 426, body: { code: 'upgrade_required' } }, 'without an upgrade')
}

/** All but what says when and over which connection it came. */
function unchanged({ headers, ...answer }: Awaited<ReturnType<typeof upgrade>>) {
  const { date: _, ...fields } = headers
  return { ...answer, fields }
}

async function ownOrigin(t: Test, system: System) {
  for (const host of ['localhost', '127.0.0.1']) {
    const url = `http://${host}:${system.ports.gateway}`
    const answer = await upgrade(url, 'userId=ada', { origin: url })
    t.equal(answer.status, 101, url)
    // RFC 6455, 1.3: the key of the request, hashed; any proxy that speaks for itself would get it wrong.
    t.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  }
}

async function tooMuch(t: Test, system: System) {
  const socket = new WebSocket(streamUrl(system.url, 'userId=ada'))
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  socket.send('x'.repeat(4 * 1024))
  socket.send('x'.repeat(5 * 1024))
  let code: number | undefined
  socket.on('close', (closed) => {
    code = closed
  })
  await eventually(() => code, { what: 'it is closed' })
  t.equal(code, 1009)
}

/** Writes letters to the user, one after another, until stopped; resolves with how many got a 201. */
function startWriting(t: Test, url: string, userId: string) {
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
async function followers(t: Test, urls: readonly string[], userId: string) {
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
async function letterIds(url: string, userId: string): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await client(url, userId)('GET', `/notifications?limit=100${cursor && `&cursor=${cursor}`}`)
    for (const { id } of body.items) ids.unshift(id)
    cursor = body.next
  }
  return ids
}

const connections = (system: System, instance: number) =>
  metric(system, 'notifications', instance, 'websocket_connections')

async function instanceEnds(t: Test, system: System, signal: 'SIGTERM' | 'SIGKILL') {
  const userId = `ends-${signal}`
  const clients = await followers(t, Array<string>(8).fill(system.url), userId)
  const victim = system.process('notifications-service', 1)
  const before = await connections(system, 1)
  t.ok(before > 0 && before < 8, `${before} of 8 are connected to it`)
  const late = signal === 'SIGTERM' ? await lateComers(instanceUrl(system, 'notifications')) : undefined

  const stopWriting = startWriting(t, system.url, userId)
  const seen = clients.all.map(({ readies }) => readies)
  victim.restart = false
  victim.kill(signal)
  // It stays down, so whoever is connected again is so on the other one.
  await Promise.all([victim.exited(), late?.()])
  const moved = () => clients.all.filter(({ ready, readies }, i) => ready && readies > (seen[i] ?? 0)).length
  await eventually(() => moved() === before, { what: 'its clients are connected again' })
  t.equal(await connections(system, 2), 8, 'to the other one; that one’s own stayed')
  await startAgain(system, victim)
  t.ok((await stopWriting()) > 0, 'letters were written meanwhile')
  t.comment(`${await clients.caughtUp(system.url)} letters`)
  const code = signal === 'SIGTERM' ? '1012' : '1006'
  t.equal((await clients.stop())[code], before, `each of them was told: ${code}`)
}

/**
 * Clients that go straight to an instance while it stops: one that never answers its close frame, and others that come
 * all the time. None may keep it from ending. Returns how to wait for the end of them.
 */
async function lateComers(url: string) {
  const deaf = new WebSocket(streamUrl(url, 'userId=deaf'))
  await once(deaf, 'open')
  deaf.pause()
  const come = async () => {
    let taken = true
    while (taken) {
      const socket = new WebSocket(streamUrl(url, 'userId=late'))
      taken = await Promise.race([
        once(socket, 'open').then(() => true),
        once(socket, 'close').then(() => false),
      ]).catch(() => false)
      socket.on('error', () => {})
      await delay(20)
    }
  }
  const coming = come()
  return async () => {
    await coming
    deaf.terminate()
  }
}

async function startAgain(system: System, victim: ManagedProcess) {
  victim.start()
  victim.restart = true
  await untilReady(system)
  const balanced = async () => {
    const { body } = await client(system.url)('GET', '/health/ready')
    return body.upstreams.notifications.instances.every(({ live }: { live: boolean }) => live)
  }
  await eventually(balanced, { what: 'the gateway uses it again' })
}

async function gatewayEnds(t: Test, system: System) {
  const userId = 'gateway-ends'
  const clients = await followers(t, Array<string>(4).fill(system.url), userId)
  // Letters go on being written while the gateway is away.
  const stopWriting = startWriting(t, instanceUrl(system, 'notifications', 2), userId)
  const gateway = system.process('gateway')
  const { pid } = gateway
  gateway.kill('SIGTERM')
  await eventually(() => gateway.pid !== pid && gateway.pid !== undefined, { what: 'another gateway' })
  await untilReady(system)
  await eventually(() => clients.all.every((one) => one.ready && one.readies > 1), { what: 'all are connected again' })
  t.ok((await stopWriting()) > 0, 'letters were written meanwhile')
  t.comment(`${await clients.caughtUp(system.url)} letters`)
  t.equal((await clients.stop())['1006'], 4, 'each was cut off once')
}

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
  const letters = await writeUntilSlow(system)
  const meanwhile = lively.all.map((one) => one.letters.length)
  t.ok(Math.min(...meanwhile) > 100, `the lively ones got ${meanwhile.join(', ')} letters meanwhile`)
  memories.stop()
  const ends = await Promise.all(deaf.map((one) => one.resume(letters)))
  t.comment(`what became of them: ${ends.join(', ')}`)
  t.ok(ends.includes(1013), 'they are told why')
  t.strictSame(
    ends.filter((end) => ![1013, 1006, 'read all'].includes(end)),
    [],
    'or cut off, where even that was read too late; or they had room for all',
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

const ROUNDS = 21
const ALL_ROUNDS_MS = 30_000

/** On whichever instance a client is, and whichever one handles the event: it gets every push of its user, nobody else. */
async function everyInstance(t: Test, system: System) {
  const userId = 'everywhere'
  const instances = [1, 2, 3].map((k) => instanceUrl(system, 'notifications', k))
  const clients = await followers(t, [...instances, system.url, system.url, system.url], userId)
  const others = await followers(t, instances, 'somebody-else')
  const handled = () => Promise.all([1, 2, 3].map((k) => metric(system, 'notifications', k, 'events_handled_total')))

  // Each waits for the one before. Without wake-ups between the instances each would take up to five seconds.
  const startedAt = performance.now()
  for (let n = 1; n <= ROUNDS; n += 1) {
    const letter = { subject: `Letter ${n}`, body: 'From an instance' }
    const answer = await client(instances[n % 3] as string, userId)('POST', '/notifications', letter)
    t.equal(answer.status, 201)
    const everywhere = () => clients.all.every(({ letters }) => letters.length === n)
    const deadlineMs = ALL_ROUNDS_MS - (performance.now() - startedAt)
    await eventually(everywhere, { what: `letter ${n} of ${ROUNDS} is everywhere`, deadlineMs })
  }
  const before = await handled()
  let orders = 0
  await eventually(
    async () => {
      // Not registered, so each order fails, with a letter.
      const order = { amount: 1, description: `order ${++orders}` }
      t.equal((await client(system.url, userId)('POST', '/orders', order)).status, 201)
      return (await handled()).every((count, i) => count > (before[i] ?? 0))
    },
    { what: 'each instance has handled an event' },
  )
  const letters = async () => (await letterIds(system.url, userId)).length === orders + ROUNDS
  await eventually(letters, { what: 'a letter for each order' })
  t.comment(`${await clients.caughtUp(system.url)} letters to ${clients.all.length} connections`)
  t.strictSame(
    clients.all.map(({ readies }) => readies),
    clients.all.map(() => 1),
    'over one connection each',
  )
  t.equal(await others.caughtUp(system.url), 0, 'nobody else got any')
  await Promise.all([clients.stop(), others.stop()])
}
