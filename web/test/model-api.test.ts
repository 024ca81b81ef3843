import { createServer } from 'node:net'
import t from 'tap'
import { createApi } from '../ui/model/api.ts'
import { breathe, createStage } from './model-platform.ts'
import { createShopServer, problem, type Reply } from './model-server.ts'

t.test('what is sent', async (t) => {
  const server = await createShopServer(t)
  const api = createApi(createStage(server).platform)
  server.intercept(() => ({ status: 201, body: { fine: true } }))
  t.same(await api.post('/orders', { amount: 1 }, { userId: 'ada', key: 'k 1' }), { ok: true, value: { fine: true } })
  await api.get('/status/orders?x=1', {})
  t.match(server.asked, [
    {
      method: 'POST',
      path: '/orders',
      body: { amount: 1 },
      headers: { 'x-user-id': 'ada', 'idempotency-key': 'k 1', 'content-type': 'application/json' },
    },
    { method: 'GET', path: '/status/orders', headers: { 'cache-control': 'no-cache' } },
  ])
  t.notHas(server.asked[1]?.headers, { 'x-user-id': String })
  t.notHas(server.asked[1]?.headers, { 'idempotency-key': String })
})

t.test('every kind of answer becomes a value or a failure', async (t) => {
  const server = await createShopServer(t)
  const { platform, online, timers } = createStage(server)
  const api = createApi(platform)
  const ask = async (reply: Reply) => {
    const done = server.intercept(() => reply)
    const answer = await api.get('/users/me', { userId: 'ada' })
    done()
    return answer.ok ? answer.value : answer.problem
  }
  t.same(await ask(problem(404, 'user_not_found')), {
    status: 404,
    code: 'user_not_found',
    detail: 'detail of user_not_found',
    requestId: 'r-1',
    fields: {},
  })
  const errors = [
    { path: '/amount', message: 'must be at least 1' },
    { path: '/amount', message: 'second' },
    { path: '', message: 'is required' },
    { path: 7, message: 'nonsense' },
    null,
  ]
  t.match(await ask(problem(400, 'validation_failed', errors)), {
    code: 'validation_failed',
    fields: { '/amount': 'must be at least 1', '': 'is required' },
  })
  t.match(await ask({ status: 502, text: '<h1>Bad gateway</h1>' }), {
    status: 502,
    code: 'answer_unreadable',
    fields: {},
  })
  t.match(await ask({ status: 404, text: 'not found' }), { status: 404, code: 'answer_unreadable' })
  t.match(await ask({ status: 200, text: '<form>Log in to the hotel</form>' }), {
    status: 200,
    code: 'answer_unreadable',
  })
  t.match(await ask({ status: 200, text: '' }), { code: 'answer_unreadable' })
  t.match(await ask({ status: 200, text: '[]' }), { code: 'answer_unreadable' }, 'no list is an answer of ours')
  t.match(await ask({ status: 200, text: 'null' }), { code: 'answer_unreadable' })
  t.match(await ask({ status: 500, text: '"text"' }), { status: 500, code: 'answer_unreadable' })
  t.match(await ask({ status: 500, text: '{"code":5,"errors":{}}' }), { code: 'answer_unreadable', fields: {} })
  t.same(await ask('cut'), { status: 0, code: 'no_answer', detail: 'The shop does not answer.', fields: {} })
  online.value = false
  t.match(await ask('cut'), { status: 0, code: 'offline' })
  t.equal(timers(), 0, 'no deadline is left behind')
})

t.test('an answer that never ends', async (t) => {
  const half = createServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{"a":')
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => half.listen(0, '127.0.0.1', resolve))
  t.teardown(() => half.close())
  const { port } = half.address() as { port: number }
  const connected = new Promise((resolve) => half.once('connection', resolve))
  const { platform, advance, timers } = createStage({ origin: `http://127.0.0.1:${port}` })
  const api = createApi(platform)
  const asking = api.get('/users/me', {})
  await connected
  await advance(14_999)
  t.equal(timers(), 1, 'there is still time')
  await advance(1)
  t.match(await asking, { ok: false, problem: { status: 0, code: 'no_answer' } })
  t.equal(timers(), 0)
})

t.test('what nobody wants any more is given up', async (t) => {
  const server = await createShopServer(t)
  const { platform, timers } = createStage(server)
  const api = createApi(platform)
  server.intercept(() => 'hang')
  const controller = new AbortController()
  const asking = api.get('/a', { signal: controller.signal })
  controller.abort()
  t.match(await asking, { ok: false })
  t.match(await api.get('/b', { signal: controller.signal }), { ok: false }, 'not even begun')
  const both = [api.get('/c', {}), api.post('/d', {}, {})]
  await breathe()
  api.close()
  t.match(await Promise.all(both), [{ ok: false }, { ok: false }])
  t.equal(timers(), 0)
  t.equal(server.count('GET /b'), 0)
})
