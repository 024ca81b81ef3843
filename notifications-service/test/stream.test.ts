/** The WebSocket over real sockets, with a real nats-server between two instances on one file. */

import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { createJetStreamBroker } from '@checkout/messaging/jetstream.ts'
import { spoil } from '@checkout/testkit/database.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { startNats } from '@checkout/testkit/nats.ts'
import t from 'tap'
import { WebSocket } from 'ws'
import { ada, notificationsApp, paidOf } from './app.ts'

type Notifications = Awaited<ReturnType<typeof notificationsApp>>
type Frame = { type: string; seq: number; id?: string; subject?: string }

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key }

async function listen({ app }: Notifications): Promise<number> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

/** A client that keeps what it is sent. */
async function connect(notifications: Notifications, query: string, headers: Record<string, string> = {}) {
  const port = await listen(notifications)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/notifications/stream${query}`, { headers })
  const frames: Frame[] = []
  socket.on('message', (data) => frames.push(JSON.parse(String(data))))
  const closed = once(socket, 'close').then(([code]) => code as number)
  await once(socket, 'open')
  return {
    socket,
    frames,
    closed,
    got: (count: number) => eventually(() => frames.length >= count, { what: `${count} frames` }),
    seqs: () => frames.map(({ type, seq }) => `${type} ${seq}`),
  }
}

/** The HTTP answer to an upgrade request that is refused. */
async function refusal(notifications: Notifications, query: string, headers: Record<string, string | string[]> = {}) {
  const port = await listen(notifications)
  const path = `/notifications/stream${query}`
  const asked = request({ host: '127.0.0.1', port, path, headers: { ...upgrade, ...headers } })
  asked.end()
  const [answer] = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')])
  if (answer.statusCode === 101) return { status: 101 }
  let body = ''
  for await (const chunk of answer) body += chunk
  const { connection, 'content-type': media } = answer.headers
  return { ...JSON.parse(body), status: answer.statusCode, connection, media }
}

const fill = async (notifications: Notifications, letters: number) => {
  for (let n = 0; n < letters; n += 1) await notifications.settled(paidOf())
}

t.test('backlog, ready, live', async (t) => {
  const notifications = await notificationsApp(t)
  await fill(notifications, 120) // many pages
  const all = Array.from({ length: 120 }, (_, i) => `notification ${i + 1}`)

  const fresh = await connect(notifications, '?userId=ada')
  const beginning = await connect(notifications, '?since=0', ada)
  const later = await connect(notifications, '?userId=ada&since=118', ada)
  const ahead = await connect(notifications, '?userId=ada&since=121')
  const nobody = await connect(notifications, '?userId=nobody&since=7')
  await Promise.all([fresh.got(1), beginning.got(121), later.got(3), ahead.got(121), nobody.got(1)])
  t.strictSame(fresh.seqs(), ['ready 120'], 'no since: no backlog')
  t.strictSame(beginning.seqs(), [...all, 'ready 120'])
  t.strictSame(later.seqs(), ['notification 119', 'notification 120', 'ready 120'])
  t.strictSame(ahead.seqs(), [...all, 'ready 120'], 'since beyond the highest seq counts as 0')
  t.strictSame(nobody.seqs(), ['ready 0'], 'an unknown user is accepted')

  const { body } = await notifications.write('ada', { subject: 'Live', body: 'now' })
  await Promise.all([fresh.got(2), beginning.got(122), later.got(4), ahead.got(122)])
  t.strictSame(fresh.frames[1], { type: 'notification', ...JSON.parse(body) }, 'a letter as the API shows it')
  t.equal(nobody.frames.length, 1, 'no letter of another user')
})

t.test('letters while the backlog is being sent come once and in order', async (t) => {
  const notifications = await notificationsApp(t)
  await fill(notifications, 60)
  const client = connect(notifications, '?userId=ada&since=0')
  const writing = Promise.all(Array.from({ length: 100 }, () => notifications.write()))
  const { frames, got } = await client
  await writing
  await got(161)
  const seqs = frames.filter(({ type }) => type === 'notification').map(({ seq }) => seq)
  t.strictSame(
    seqs,
    Array.from({ length: 160 }, (_, i) => i + 1),
  )
  t.equal(new Set(frames.map(({ id }) => id)).size, 161)
})

t.test('refused before the upgrade', async (t) => {
  const notifications = await notificationsApp(t, { stream: { allowedHosts: ['shop.test'] } })
  const origin = (name: string, headers = {}) => ({ ...ada, origin: name, ...headers })
  const port = await listen(notifications)
  const cases: [string, string, Record<string, string | string[]>, number, string?][] = [
    ['nobody', '', {}, 401, 'user_id_required'],
    ['empty', '?userId=', {}, 401, 'user_id_required'],
    ['malformed query', '?userId=a.b', {}, 400, 'user_id_invalid'],
    ['malformed header', '', { 'x-user-id': 'a b' }, 400, 'user_id_invalid'],
    ['repeated query', '?userId=ada&userId=ada', {}, 400, 'user_id_invalid'],
    ['repeated header', '', { 'x-user-id': ['ada', 'ada'] }, 400, 'user_id_invalid'],
    ['header and query differ', '?userId=bob', ada, 400, 'user_id_invalid'],
    ...['-1', '1.5', 'x', '1e1', '', '%200', '1&since=2'].map(
      (since): [string, string, Record<string, string>, number, string] => [
        `since=${since}`,
        `?since=${since}`,
        ada,
        400,
        'validation_failed',
      ],
    ),
    ['unknown parameter', '?sinse=1', ada, 400, 'validation_failed'],
    ['foreign origin', '', origin('https://evil.example'), 403, 'origin_forbidden'],
    ['other port', '', origin('http://127.0.0.1:1'), 403, 'origin_forbidden'],
    ['null origin', '', origin('null'), 403, 'origin_forbidden'],
    ['suffix of the own name', '', origin(`http://127.0.0.1:${port}.evil.example`), 403, 'origin_forbidden'],
    [
      'not the forwarded host',
      '',
      origin(`http://127.0.0.1:${port}`, { 'x-forwarded-host': 'shop' }),
      403,
      'origin_forbidden',
    ],
    ['own origin', '', origin(`http://127.0.0.1:${port}`), 101],
    ['own origin by another name', '', origin(`http://localhost:${port}`), 101],
    ['own origin, default port', '', origin('https://shop.test', { 'x-forwarded-host': 'shop.test:443' }), 101],
    ['own origin, by an address', '', origin('http://192.0.2.7:8080', { host: '192.0.2.7:8080' }), 101],
    ['own origin, by a fully qualified name', '', origin('http://shop.test.', { host: 'SHOP.test.' }), 101],
    [
      'a name that was made to lead here',
      '',
      origin('http://evil.example', { host: 'evil.example' }),
      403,
      'host_forbidden',
    ],
    [
      'the same through the gateway',
      '?userId=ada',
      { origin: 'http://evil.example:8080', host: 'evil.example:8080', 'x-forwarded-host': 'evil.example:8080' },
      403,
      'host_forbidden',
    ],
    ['not the host', '', origin('http://shop.test', { host: 'evil.example' }), 403, 'host_forbidden'],
    ['allowed origin', '', origin('https://SHOP.example'), 101],
    ['header and query agree', '?userId=ada', ada, 101],
  ]
  for (const [name, query, headers, status, code] of cases) {
    const answer = await refusal(notifications, query, headers)
    t.match(answer, { status, ...(code && { code, media: 'application/problem+json', connection: 'close' }) }, name)
  }
  const plain = await notifications.app.inject({ url: '/notifications/stream', headers: ada })
  t.match(plain, { statusCode: 426, headers: { upgrade: 'websocket' } }, 'not a WebSocket client')
  t.match(plain.json(), { code: 'upgrade_required' })

  const byDefault = await notificationsApp(t)
  const rebound = { origin: 'http://evil.example:8080', host: 'evil.example:8080' }
  t.match(await refusal(byDefault, '?userId=ada', rebound), { status: 403, code: 'host_forbidden' })
  t.match(
    await refusal(byDefault, '?userId=ada', { host: 'evil.example:8080' }),
    { status: 101 },
    'no page, no browser',
  )
  const configured = { origin: 'https://shop.example:444', host: 'shop.example:444' }
  t.match(await refusal(byDefault, '', { ...ada, ...configured }), { status: 101 }, 'the host of an allowed origin')

  const broken = await notificationsApp(t)
  spoil(broken.file)
  t.match(await refusal(broken, '', ada), { status: 503, code: 'store_unavailable' })

  const limited = await notificationsApp(t, { perMinute: 1 })
  t.match(await refusal(limited, '', ada), { status: 101 })
  t.match(await refusal(limited, '', ada), { status: 429, code: 'rate_limited' })
})

t.test('without STREAM_USER_FROM_QUERY the header alone says who connects', async (t) => {
  const notifications = await notificationsApp(t, { stream: { userFromQuery: false } })
  for (const query of ['?userId=victim', '?userId=victim&userId=victim', '?userId=', '']) {
    t.match(await refusal(notifications, query), { status: 401, code: 'user_id_required' }, query)
  }
  t.match(await refusal(notifications, '?userId=victim', ada), { status: 400, code: 'user_id_invalid' })
  t.match(await refusal(notifications, '?userId=ada&userId=victim', ada), { status: 400, code: 'user_id_invalid' })
  const client = await connect(notifications, '?userId=ada', ada)
  await client.got(1)
  t.strictSame(client.seqs(), ['ready 0'], 'the parameter may agree with it, as the web UI’s does')
})

t.test('of more than 20 connections of a user the oldest is closed', async (t) => {
  const notifications = await notificationsApp(t)
  const other = await connect(notifications, '?userId=bob')
  const clients = []
  for (let n = 0; n < 20; n += 1) clients.push(await connect(notifications, '?userId=ada'))
  const [oldest, second] = clients
  const reasons: string[] = []
  for (const client of clients) client.socket.on('close', (_code, reason) => reasons.push(String(reason)))
  const newest = await connect(notifications, '?userId=ada')
  t.equal(await oldest?.closed, 1008)
  t.match(reasons, [/20 connections/], 'and is told why')
  const again = await connect(notifications, '?userId=ada')
  t.equal(await second?.closed, 1008)
  await notifications.write('ada')
  await Promise.all([...clients.slice(2), newest, again].map(({ got }) => got(2)))

  newest.socket.close()
  await newest.closed
  await connect(notifications, '?userId=ada')
  t.equal(reasons.length, 2, 'one that has gone makes room')
  t.equal(other.socket.readyState, WebSocket.OPEN, 'another user is not concerned')
})

t.test('a client that sends too much, and a service that stops', async (t) => {
  const notifications = await notificationsApp(t)
  const talker = await connect(notifications, '?userId=ada')
  const listener = await connect(notifications, '?userId=ada')
  talker.socket.send('hello')
  talker.socket.send('x'.repeat(4 * 1024))
  talker.socket.send('x'.repeat(5 * 1024))
  t.equal(await talker.closed, 1009, 'a frame over 4 KiB')
  const closing = notifications.app.close()
  t.equal(await listener.closed, 1012, 'the service stops')
  await closing
})

t.test('a client that does not answer pings', async (t) => {
  const notifications = await notificationsApp(t, { stream: { pingEveryMs: 200 } })
  const { socket, closed } = await connect(notifications, '?userId=ada')
  let pings = 0
  socket.on('ping', () => {
    pings += 1
  })
  await eventually(() => pings > 2, { what: 'pings' })
  socket.pong = () => {}
  t.equal(await closed, 1006)
})

/** Far above what this process, which writes, pushes and reads, may stand still: a client that reads is not too slow. */
const SLOW_MS = 2_000

t.test('a client that does not read', async (t) => {
  const notifications = await notificationsApp(t, { stream: { slowMs: SLOW_MS } })
  const gone = await connect(notifications, '?userId=ada')
  const reader = await connect(notifications, '?userId=ada')
  gone.socket.pause()
  const body = 'x'.repeat(10_000)
  let letters = 0
  // Until the buffers of the kernel are full.
  await eventually(
    async () => {
      await Promise.all(Array.from({ length: 100 }, () => notifications.write('ada', { subject: 's', body })))
      letters += 100
      return (await metric(notifications, 'websocket_connections')) === 1
    },
    { what: 'the slow reader is gone', deadlineMs: 60_000 },
  )
  await reader.got(letters + 1)
  t.equal(reader.frames.length, letters + 1, 'another connection of the same user got everything meanwhile')
  t.equal(await metric(notifications, 'websocket_slow_total'), 1)
  gone.socket.terminate()

  const slow = await connect(notifications, '?userId=ada&since=0')
  slow.socket.pause()
  await eventually(async () => (await metric(notifications, 'websocket_slow_total')) === 2, { what: 'too slow again' })
  slow.socket.resume()
  t.equal(await slow.closed, 1013, 'it is told when it reads again')
})

const metric = async ({ app }: Notifications, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await app.inject('/metrics')).body)?.[1])

t.test('two instances on one file', async (t) => {
  const nats = await startNats()
  t.teardown(nats.stop)
  const instance = async (folder?: Notifications['folder']) => {
    const broker = createJetStreamBroker({
      url: nats.url,
      name: 'test',
      streamMaxBytes: 1_000_000,
      platform: createPlatform(),
      deployment: TEST_SYSTEM,
    })
    const made = await notificationsApp(t, { signals: broker, ...(folder && { folder: { ...folder, remove() {} } }) })
    await broker.connect()
    made.push.start()
    t.teardown(async () => {
      made.push.stop()
      await broker.close()
    })
    return { ...made, broker }
  }
  const one = await instance()
  const two = await instance(one.folder)
  const client = await connect(two, '?userId=ada')
  const other = await connect(two, '?userId=bob')
  await client.got(1)
  await one.write()
  await client.got(2)

  // Two subscriptions, of which the second goes away: the first one still works.
  const again = await connect(two, '?userId=ada')
  await again.got(1)
  again.socket.close()
  await again.closed
  await one.write()
  await client.got(3)

  // No wake-up gets through; it looks again when the broker is back.
  await nats.kill()
  await eventually(() => !two.broker.connected && !one.broker.connected, { what: 'both have noticed' })
  await one.write()
  await nats.start()
  await client.got(4)

  // No wake-up at all, as when its sender is killed after the commit: the check every five seconds finds it.
  await one.settled(paidOf())
  await client.got(5)
  t.strictSame(client.seqs(), ['ready 0', ...[1, 2, 3, 4].map((seq) => `notification ${seq}`)])
  t.strictSame(other.seqs(), ['ready 0'])
})
