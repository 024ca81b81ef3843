/** Push through the gateway, over real processes: who may connect, which instance, what comes when processes end. */
import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { ManagedProcess } from '@checkout/processes/managed-process.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { System } from '../../scripts/system.ts'
import { followers, STREAM_PATH, startWriting, streamUrl } from '../support/followers.ts'
import { instanceUrl, metric, untilReady } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

t.test('two instances', async (t) => {
  await withSystem(t, { instances: 2 }, async (system) => {
    await t.test('refused before the upgrade', (t) => refused(t, system))
    await t.test('pages of the gateway’s own origin', (t) => ownOrigin(t, system))
    await t.test('a client that sends too much', (t) => tooMuch(t, system))
    await t.test('an instance is stopped', (t) => instanceEnds(t, system, 'SIGTERM'))
    await t.test('an instance is killed', (t) => instanceEnds(t, system, 'SIGKILL'))
    await t.test('the gateway is stopped', (t) => gatewayEnds(t, system))
    assertNoErrors(t, system)
  })
})

/** The answer to an upgrade request, as it came. */
async function upgrade(url: string, query: string, headers: Record<string, string>) {
  const { hostname, port } = new URL(url)
  const offered = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }
  const asked = request({ hostname, port, path: `${STREAM_PATH}?${query}`, headers: { ...offered, ...headers } })
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
  const plain = await client(system.url, 'ada')('GET', STREAM_PATH)
  t.match(plain, { status: 426, body: { code: 'upgrade_required' } }, 'without an upgrade')
  t.equal(plain.headers.get('upgrade'), 'websocket', 'it says to what')
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
