import type { Letter } from '@checkout/contracts/http.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { createApi } from '../ui/model/api.ts'
import { createLive, type LiveState } from '../ui/model/live.ts'
import { openSeen } from '../ui/model/seen.ts'
import { createStore } from '../ui/model/storage.ts'
import { createVisits } from '../ui/model/visit.ts'
import { breathe, createStage, memory, type StageOptions } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

/** A tab that follows letters; `got` is what it was given. */
function follow(t: Test, server: ShopServer, options: Partial<StageOptions> = {}) {
  const storage = options.storage ?? memory()
  const stage = createStage({ origin: server.origin, ...options, storage })
  const { platform } = stage
  const api = createApi(platform)
  const visits = createVisits(platform)
  const live = createLive({ platform, api, store: createStore(storage), visits })
  const got: number[] = []
  const states: LiveState[] = []
  live.onLetter((letter) => got.push(letter.seq))
  const unsubscribe = live.state.subscribe((state) => states.push(state))
  const is = (state: LiveState) => eventually(() => live.state.value === state, { what: `the state ${state}` })
  const gotAll = (...seqs: number[]) =>
    eventually(() => got.join() === seqs.join(), { what: `letters ${seqs}, not ${got}` })
  const end = () => {
    visits.begin(undefined)
    api.close()
  }
  t.teardown(async () => {
    end()
    unsubscribe()
    await breathe()
    if (stage.timers() > 0) throw new Error(`${stage.timers()} timers left`)
    if (stage.watched() > 0) throw new Error('subscriptions left')
  })
  return { ...stage, storage, visits, live, got, states, is, gotAll, end }
}
const cut = (server: ShopServer) => {
  for (const { socket } of server.connections) socket.terminate()
}

t.test('a first visit', async (t) => {
  const server = await createShopServer(t)
  for (let i = 0; i < 3; i++) server.write('ada')
  const { live, visits, is, gotAll, got, states, timers } = follow(t, server)
  t.equal(live.state.value, 'off')
  visits.begin('ada')
  await is('live')
  t.same(states, ['off', 'connecting', 'live'])
  t.equal(server.connections[0]?.since, null, 'no backlog is asked for')
  t.equal(server.connections[0]?.userId, 'ada')
  t.same(got, [])
  t.equal(live.highest.value, 3)
  server.write('ada')
  server.write('bob')
  server.write('ada')
  await gotAll(4, 5)
  t.equal(live.highest.value, 5)
  t.equal(live.given(), 5)
  t.equal(timers(), 1, 'only the next look whether the connection brings all')
  visits.begin(undefined)
  await eventually(() => server.connections.length === 0, { what: 'the socket to close' })
  t.equal(live.state.value, 'off')
  t.equal(live.highest.value, undefined)
})

t.test('a reload goes on from the last letter seen', async (t) => {
  const server = await createShopServer(t)
  const first = follow(t, server)
  first.visits.begin('ada')
  await first.is('live')
  server.write('ada')
  server.write('ada')
  await first.gotAll(1, 2)
  first.end()
  server.write('ada')
  server.write('ada')
  const second = follow(t, server, { storage: first.storage })
  second.visits.begin('ada')
  await second.gotAll(3, 4)
  t.equal(server.connections.at(-1)?.since, '2')
  const other = follow(t, server, { storage: first.storage })
  other.visits.begin('bob')
  await other.is('live')
  t.equal(server.connections.at(-1)?.since, null, 'per user')
})

t.test('a registered user misses not even the first letter', async (t) => {
  const server = await createShopServer(t)
  const { visits, storage, gotAll } = follow(t, server)
  openSeen(createStore(storage), 'ada').start(0, 0)
  server.write('ada')
  visits.begin('ada')
  await gotAll(1)
  t.equal(server.connections[0]?.since, '0')
})

t.test('a lost connection', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, gotAll, advance, platform } = follow(t, server)
  visits.begin('ada')
  await is('live')
  server.write('ada')
  await gotAll(1)
  cut(server)
  await is('retrying')
  t.equal(live.retryAt.value, platform.now() + 125, 'half of 250 ms: the random share is 0.5')
  server.write('ada')
  await advance(124)
  t.equal(server.connections.length, 0, 'not before its time')
  await advance(1)
  t.equal(live.retryAt.value, undefined)
  await gotAll(1, 2)
  t.equal(server.connections[0]?.since, '1')
  t.equal(live.state.value, 'live')
})

t.test('backoff grows, with jitter, and starts anew after a good connection', async (t) => {
  const server = await createShopServer(t)
  const random = [0.5, 1, 1, 1, 1, 1, 1, 1, 0, 0.5]
  let calls = 0
  const { live, visits, is, advance, platform } = follow(t, server, { random: () => random[calls++] ?? 0.5 })
  visits.begin('ada')
  await is('live')
  server.refuseSockets = true
  cut(server)
  await is('retrying')
  const delays: number[] = []
  for (let i = 0; i < 8; i++) {
    const at = await eventually(() => live.retryAt.value, { what: 'the next try' })
    delays.push(at - platform.now())
    if (i === 7) server.refuseSockets = false
    await advance(at - platform.now())
    if (i < 7) await eventually(() => live.retryAt.value, { what: 'the try to fail' })
  }
  t.same(delays, [125, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  await is('live')
  cut(server)
  await is('retrying')
  t.equal((live.retryAt.value ?? 0) - platform.now(), 0, 'full jitter may be nothing at all')
  await advance(0)
  await is('live')
  await advance(5_000)
  cut(server)
  await is('retrying')
  t.equal((live.retryAt.value ?? 0) - platform.now(), 125, 'five good seconds count as a new beginning')
})

t.test('a connection that ends as soon as it is made is no reason to hurry', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, advance, platform } = follow(t, server)
  visits.begin('ada')
  const delays: number[] = []
  for (let i = 0; i < 6; i++) {
    await is('live')
    for (const { socket } of server.connections) socket.close(1012)
    await is('retrying')
    delays.push((live.retryAt.value ?? 0) - platform.now())
    await advance(delays.at(-1) ?? 0)
  }
  t.same(delays, [125, 125, 125, 1_000, 2_000, 4_000])
})

t.test('a service that restarts, and one for which we were too slow: at once', async (t) => {
  const server = await createShopServer(t)
  for (const code of [1012, 1013]) {
    const { live, visits, is, advance, platform, end } = follow(t, server)
    visits.begin('ada')
    await is('live')
    await advance(6_000)
    for (const { socket } of server.connections) socket.close(code)
    await is('retrying')
    t.equal((live.retryAt.value ?? 0) - platform.now(), 125, String(code))
    await advance(125)
    await is('live')
    end()
  }
})

t.test('one tab too many polls, and does not push the others out', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, got, advance, platform } = follow(t, server)
  visits.begin('ada')
  await is('live')
  for (const { socket } of server.connections) socket.close(1008)
  await is('retrying')
  server.write('ada')
  await advance(0)
  await is('polling')
  t.same(got, [1], 'letters come all the same')
  t.equal((live.retryAt.value ?? 0) - platform.now(), 225_000, 'minutes: the random share is 0.5')
  await advance(224_000)
  t.equal(server.connections.length, 0)
  await advance(1_000)
  await is('live')
})

t.test('polling while there is no socket', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, gotAll, advance, got } = follow(t, server)
  visits.begin('ada')
  await is('live')
  server.write('ada')
  await gotAll(1)
  server.refuseSockets = true
  cut(server)
  await is('retrying')
  for (let i = 0; i < 60; i++) server.write('ada')
  const highest: number[] = []
  live.highest.subscribe((seq) => highest.push(seq ?? 0))
  await advance(2_999)
  t.equal(server.count('GET /notifications'), 0)
  await advance(1)
  await is('polling')
  t.same(got, [1, ...Array.from({ length: 60 }, (_, i) => i + 2)], 'more than a page, in order')
  t.same(highest, [1, 61])
  t.equal(server.count('GET /notifications'), 2)
  server.write('ada')
  await advance(3_000)
  await eventually(() => got.at(-1) === 62, { what: 'the next poll' })
  t.equal(server.count('GET /notifications'), 3, 'no further back than to what is known')
  server.refuseSockets = false
  live.retryNow()
  await advance(0)
  await is('live')
  t.equal(server.connections[0]?.since, '62')
  const polls = server.count('GET /notifications')
  await advance(20_000)
  t.equal(server.count('GET /notifications'), polls, 'a socket ends the polling')
  t.equal(new Set(got).size, got.length, 'each once')
})

t.test('polling that fails', async (t) => {
  const server = await createShopServer(t)
  server.refuseSockets = true
  const done = server.intercept(() => problem(502, 'upstream_unavailable'))
  const { visits, is, advance, online } = follow(t, server)
  visits.begin('ada')
  await is('retrying')
  await advance(3_000)
  await eventually(() => server.count('GET /notifications') === 1, { what: 'the poll' })
  await is('retrying')
  online.value = false
  await advance(0)
  await is('offline')
  done()
  await advance(3_000)
  await is('polling')
})

t.test('polling in a first visit announces nothing of before', async (t) => {
  const server = await createShopServer(t)
  for (let i = 0; i < 3; i++) server.write('ada')
  server.refuseSockets = true
  const { visits, is, advance, got, gotAll, live } = follow(t, server)
  visits.begin('ada')
  await is('retrying')
  await advance(3_000)
  await is('polling')
  t.same(got, [])
  t.equal(live.highest.value, 3)
  server.write('ada')
  await advance(3_000)
  await gotAll(4)
})

t.test('a poll and a socket that overlap', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, gotAll, advance, got, timers } = follow(t, server)
  visits.begin('ada')
  await is('live')
  server.write('ada')
  await gotAll(1)
  server.refuseSockets = true
  cut(server)
  await is('retrying')
  server.write('ada')
  const held = server.hold('GET /notifications')
  await advance(3_000)
  await eventually(() => held.waiting(), { what: 'the poll' }) // its answer knows letter 2 only
  server.refuseSockets = false
  live.retryNow()
  await advance(0)
  await gotAll(1, 2)
  server.write('ada')
  await gotAll(1, 2, 3)
  held.release()
  await eventually(() => timers() === 1, { what: 'the late answer' })
  await breathe()
  t.equal(live.highest.value, 3, 'an answer of before takes nothing back')
  t.equal(live.given(), 3)
  server.write('ada')
  await gotAll(1, 2, 3, 4)
  t.equal(live.highest.value, 4)
  t.equal(live.state.value, 'live')
  t.equal(new Set(got).size, got.length)
})

t.test('offline and online', async (t) => {
  const server = await createShopServer(t)
  const { visits, is, gotAll, advance, online, states } = follow(t, server)
  visits.begin('ada')
  await is('live')
  online.value = false
  await advance(0)
  await is('live')
  t.ok(states.filter((state) => state === 'live').length >= 2, 'what the browser says is tried out: here it was wrong')
  server.refuseSockets = true
  cut(server)
  await is('offline')
  server.write('ada')
  server.refuseSockets = false
  online.value = true
  await advance(250)
  await gotAll(1)
  await is('live')
})

t.test("a restored server's numbers begin anew", async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, gotAll, advance, storage, end } = follow(t, server)
  visits.begin('ada')
  await is('live')
  for (let i = 0; i < 4; i++) server.write('ada')
  await gotAll(1, 2, 3, 4)
  server.world.letters.set('ada', (server.world.letters.get('ada') ?? []).slice(0, 2))
  cut(server)
  await is('retrying')
  await advance(250)
  await is('live')
  t.equal(live.highest.value, 2)
  await gotAll(1, 2, 3, 4) // the whole backlog came, and was known
  server.write('ada')
  await gotAll(1, 2, 3, 4, 3)

  // Restored once more, and this time it has written before the connection is back.
  server.world.letters.set('ada', (server.world.letters.get('ada') ?? []).slice(0, 1))
  cut(server)
  await is('retrying')
  server.write('ada')
  await advance(1_000)
  await gotAll(1, 2, 3, 4, 3, 2)
  t.equal(live.given(), 2)
  server.write('ada')
  await gotAll(1, 2, 3, 4, 3, 2, 3)
  end()
  server.write('ada')
  const later = follow(t, server, { storage })
  later.visits.begin('ada')
  await later.gotAll(4)
  t.equal(server.connections.at(-1)?.since, '3')
})

t.test('a restored server, found by polling, and letters of before the first visit', async (t) => {
  const server = await createShopServer(t)
  const old = (seq: number): Partial<Letter> => ({ createdAt: `2026-11-21T00:00:0${seq}.000Z` })
  for (let i = 1; i <= 5; i++) server.write('ada', old(i))
  const { live, visits, is, gotAll, advance, got } = follow(t, server)
  visits.begin('ada')
  await is('live')
  server.world.letters.set('ada', (server.world.letters.get('ada') ?? []).slice(0, 4))
  server.refuseSockets = true
  cut(server)
  await is('retrying')
  await advance(3_000)
  await is('polling')
  t.equal(live.highest.value, 4)
  t.same(got, [], 'they were old already when this browser first came')
  server.write('ada')
  await advance(3_000)
  await gotAll(5)
})

t.test('two tabs each get every letter, and a reload goes on from where either came to', async (t) => {
  const server = await createShopServer(t)
  const one = follow(t, server)
  const two = follow(t, server, { storage: one.storage })
  one.visits.begin('ada')
  two.visits.begin('ada')
  await one.is('live')
  await two.is('live')
  server.write('ada')
  server.write('ada')
  await one.gotAll(1, 2)
  await two.gotAll(1, 2)
  two.end()
  server.write('ada')
  await one.gotAll(1, 2, 3)
  const again = follow(t, server, { storage: one.storage })
  again.visits.begin('ada')
  await again.is('live')
  t.equal(server.connections.at(-1)?.since, '3')
  t.same(again.got, [])
})

t.test('a tab that is behind does not take the other one back', async (t) => {
  const server = await createShopServer(t)
  const letters = [1, 2, 3].map(() => server.write('ada'))
  const store = createStore(memory())
  const [ahead, behind] = [openSeen(store, 'ada'), openSeen(store, 'ada')]
  for (const letter of letters) ahead.add(letter)
  for (const letter of letters.slice(0, 1)) {
    t.equal(behind.isNew(letter), true)
    behind.add(letter)
    t.equal(behind.isNew(letter), false)
  }
  t.equal(openSeen(store, 'ada').seq(), 3)
  t.equal(behind.seq(), 1)
})

t.test('the ids that are remembered are bounded', async (t) => {
  const server = await createShopServer(t)
  const storage = memory()
  const seen = openSeen(createStore(storage), 'ada')
  seen.start(0, 0)
  const letters = Array.from({ length: 500 }, () => server.write('ada'))
  for (const letter of letters) seen.add(letter)
  t.ok((storage.getItem('checkout.letters.seen:ada') ?? '').length < 10_000)
  t.notOk(letters.some(seen.isNew), 'those forgotten are not taken for new either')
  const later = { id: 'later', createdAt: '2026-11-23T00:00:00.000Z' }
  t.ok(seen.isNew({ ...letters[0], ...later } as Letter), 'a new one under an old number is')
  const reloaded = openSeen(createStore(storage), 'ada')
  t.notOk(letters.some(reloaded.isNew))
})

t.test('the user is switched', async (t) => {
  const server = await createShopServer(t)
  const { live, visits, is, gotAll, states } = follow(t, server)
  visits.begin('ada')
  await is('live')
  const [adas] = server.connections
  visits.begin('bob')
  // What was on its way to ada's page gets nowhere.
  adas?.socket.send(JSON.stringify({ type: 'notification', ...server.write('ada') }))
  await eventually(() => server.connections.some(({ userId }) => userId === 'bob'), { what: "bob's socket" })
  await is('live')
  server.write('bob')
  await gotAll(1)
  t.equal(server.connections.length, 1)
  t.equal(live.highest.value, 1)
  t.notOk(states.includes('retrying'))
})

t.test('a connection that is dead without a word', async (t) => {
  const server = await createShopServer(t)
  const { visits, is, gotAll, advance } = follow(t, server)
  visits.begin('ada')
  await is('live')
  const lost = server.connections.splice(0) // still open, but nothing comes over it any more
  server.write('ada')
  await advance(60_000)
  await eventually(() => server.count('GET /notifications') === 1, { what: 'the look at the list' })
  await breathe()
  await advance(2_000)
  await advance(250)
  await eventually(() => lost[0]?.socket.readyState !== 1, { what: 'the dead socket to be closed' })
  await gotAll(1)
  await is('live')
})

t.test('a server that accepts and stays silent', async (t) => {
  const server = await createShopServer(t)
  server.mute = true
  const { live, visits, is, advance, states } = follow(t, server)
  visits.begin('ada')
  await eventually(() => server.connections.length, { what: 'the socket' })
  await advance(9_999)
  t.notOk(states.includes('live'))
  const [first] = server.connections
  await advance(1)
  await eventually(() => first?.socket.readyState !== 1, { what: 'the silent socket to be closed' })
  server.mute = false
  live.retryNow()
  await advance(250)
  await is('live')
})

t.test('frames that nobody understands', async (t) => {
  const server = await createShopServer(t)
  const { visits, is, gotAll } = follow(t, server)
  visits.begin('ada')
  await is('live')
  for (const { socket } of server.connections) {
    for (const frame of [
      '',
      '{',
      'null',
      '5',
      '{"type":"later"}',
      '{"type":"notification"}',
      '{"type":"notification","seq":"9","id":7}',
      '{"type":"ready"}',
    ]) {
      socket.send(frame)
    }
    socket.send(Buffer.from([1, 2, 3]))
  }
  server.write('ada')
  await gotAll(1)
})

t.test('a WebSocket that cannot even be made', async (t) => {
  const server = await createShopServer(t)
  const stage = createStage(server)
  const visits = createVisits(stage.platform)
  const platform = {
    ...stage.platform,
    WebSocket: class {
      constructor() {
        throw new DOMException('blocked', 'SecurityError')
      }
    } as unknown as typeof WebSocket,
  }
  const api = createApi(platform)
  const live = createLive({ platform, api, store: createStore(memory()), visits })
  visits.begin('ada')
  t.equal(live.state.value, 'connecting')
  await stage.advance(3_000)
  await eventually(() => live.state.value === 'polling', { what: 'polling' })
  visits.begin(undefined)
  t.equal(stage.timers(), 0)
})
