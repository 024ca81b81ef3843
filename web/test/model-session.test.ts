import { USER_ID_PATTERN } from '@checkout/contracts/values.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t from 'tap'
import { createApi } from '../ui/model/api.ts'
import { createSession } from '../ui/model/session.ts'
import { createStore } from '../ui/model/storage.ts'
import { createStage, forbidden, memory } from './model-platform.ts'
import { createShopServer, problem, type ShopServer } from './model-server.ts'

function open(server: ShopServer, { storage = memory(), tab = memory() } = {}) {
  const { platform } = createStage({ origin: server.origin, storage, tab })
  const registered: string[] = []
  const session = createSession({
    api: createApi(platform),
    store: createStore(storage),
    tab: createStore(tab),
    onRegistered: (id) => registered.push(id),
  })
  return { session, registered, storage, tab, current: () => session.current.value?.id }
}
const ada = { name: 'Ada', email: 'ada@example.com' }

t.test('register', async (t) => {
  const server = await createShopServer(t)
  const { session, registered, storage, tab, current } = open(server)
  t.equal(session.current.value, undefined)
  t.same(await session.register({ ...ada, id: 'ada' }), { ok: true })
  t.equal(server.asked[0]?.userId, 'ada')
  t.same(session.current.value, { id: 'ada', name: 'Ada' })
  t.same(registered, ['ada'])
  t.same(await session.register({ id: '', name: ' Bob ', email: ' b@example.com ' }), { ok: true })
  t.equal(server.asked[1]?.userId, undefined, 'without an id the service makes one')
  t.same(server.asked[1]?.body, { name: 'Bob', email: 'b@example.com' })
  t.match(session.current.value, { name: 'Bob' })
  t.equal(session.users.value.length, 2)

  t.equal(open(server, { storage, tab }).current(), current(), 'a reload finds the user again')
  t.equal(open(server, { storage }).current(), current(), 'a new tab begins with the one used last')
})

t.test('what cannot be registered', async (t) => {
  const server = await createShopServer(t)
  server.addUser('taken')
  const { session, registered } = open(server)
  const register = async (id: string) => {
    const result = await session.register({ ...ada, id })
    return result.ok ? {} : result.problem
  }
  t.match(await register('a.b'), { code: 'validation_failed', fields: { '/id': 'must be a user id' } })
  t.match(await register('x'.repeat(65)), { fields: { '/id': 'must be a user id' } })
  const blank = await session.register({ name: ' ', email: '', id: 'a.b' })
  const all = { '/id': 'must be a user id', '/name': 'must not be empty', '/email': 'must not be empty' }
  t.match(blank, { ok: false, problem: { fields: all } }, 'all at once')
  t.equal(server.asked.length, 0, 'found out without asking')
  for (const id of ['a.b', 'x'.repeat(65), 'é', 'a,b', 'a b', 'a\nb']) {
    t.notMatch(id, new RegExp(USER_ID_PATTERN), 'as the contract has it')
    t.match(await register(id), { fields: { '/id': 'must be a user id' } })
  }
  t.match(await register('taken'), { status: 409, code: 'user_exists', fields: { '/id': 'is taken' } })
  server.intercept(() => problem(400, 'validation_failed', [{ path: '/email', message: 'must be an e-mail address' }]))
  t.match(await register('ada'), { fields: { '/email': 'must be an e-mail address' } })
  t.same(session.users.value, [])
  t.equal(session.current.value, undefined)
  t.same(registered, [])
})

t.test('a registration whose answer was lost is found out to have worked', async (t) => {
  const server = await createShopServer(t)
  const { session, current } = open(server)
  const restore = server.intercept(({ method }) => {
    if (method !== 'POST') return undefined
    server.world.users.set('ada', { id: 'ada', ...ada, createdAt: '' })
    return 'cut'
  })
  t.match(await session.register({ ...ada, id: 'ada' }), { ok: false, problem: { code: 'no_answer' } })
  t.equal(current(), undefined)
  restore()
  t.same(await session.register({ ...ada, id: 'ada' }), { ok: true })
  t.equal(current(), 'ada')
  t.match(await session.register({ ...ada, name: 'Not Ada', id: 'ada' }), {
    ok: false,
    problem: { code: 'user_exists' },
  })
})

t.test('a double click registers once', async (t) => {
  const server = await createShopServer(t)
  const { session } = open(server)
  const [first, second] = await Promise.all([session.register(ada), session.register(ada)])
  t.same([first, second], [{ ok: true }, { ok: true }])
  t.equal(server.count('POST /users'), 1)
  await session.register(ada)
  t.equal(server.count('POST /users'), 2, 'later it is a second user')
})

t.test('enter', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const { session, current, registered } = open(server)
  t.match(await session.enter(' '), { ok: false, problem: { fields: { '/id': 'must not be empty' } } })
  t.match(await session.enter('a b'), { ok: false, problem: { fields: { '/id': 'must be a user id' } } })
  t.equal(server.asked.length, 0)
  t.match(await session.enter('bob'), { ok: false, problem: { status: 404, fields: { '/id': 'is not registered' } } })
  t.same(await session.enter(' ada '), { ok: true })
  t.same(session.current.value, { id: 'ada', name: 'Name of ada' })
  t.same(registered, [], 'entering is no registration: there may be letters')
  t.same(await session.enter('ada'), { ok: true })
  t.equal(session.users.value.length, 1, 'known once')
  server.intercept(() => 'cut')
  t.match(await session.enter('eve'), { ok: false, problem: { code: 'no_answer', fields: {} } })
  t.equal(current(), 'ada')
})

t.test('an answer that comes after another choice does not switch the tab', async (t) => {
  const server = await createShopServer(t)
  for (const id of ['ada', 'bob', 'slow']) server.addUser(id)
  const { session, current } = open(server)
  await session.enter('ada')
  await session.enter('bob')
  const held = server.hold('GET /users/me', 'slow')
  const entering = session.enter('slow')
  await eventually(() => held.waiting(), { what: 'the slow request' })
  session.switchTo('ada')
  held.release()
  t.same(await entering, { ok: true })
  t.equal(current(), 'ada')
  t.ok(
    session.users.value.some(({ id }) => id === 'slow'),
    'but known it is',
  )
})

t.test('switch, leave, forget', async (t) => {
  const server = await createShopServer(t)
  for (const id of ['ada', 'bob']) server.addUser(id)
  const storage = memory()
  const { session, tab, current } = open(server, { storage })
  await session.enter('ada')
  await session.enter('bob')
  session.switchTo('ada')
  t.equal(current(), 'ada')
  session.switchTo('nobody')
  t.equal(current(), 'ada', 'only known users can be switched to')
  session.leave()
  t.equal(current(), undefined)
  t.equal(open(server, { storage, tab }).current(), undefined, 'also after a reload')
  t.equal(open(server, { storage }).current(), 'ada', 'in this tab only')

  for (const entry of ['toasts:ada', 'letters.seen:ada', 'toasts:bob']) storage.setItem(`checkout.${entry}`, '[]')
  session.switchTo('ada')
  session.forget('ada')
  t.equal(current(), undefined)
  t.same(session.users.value, [{ id: 'bob', name: 'Name of bob' }])
  t.equal(storage.getItem('checkout.toasts:ada'), null)
  t.equal(storage.getItem('checkout.letters.seen:ada'), null)
  t.equal(storage.getItem('checkout.toasts:bob'), '[]')
  t.equal(open(server, { storage }).current(), undefined)
})

t.test('two tabs', async (t) => {
  const server = await createShopServer(t)
  for (const id of ['ada', 'bob']) server.addUser(id)
  const storage = memory()
  const [one, two] = [open(server, { storage }), open(server, { storage })]
  await one.session.enter('ada')
  await two.session.enter('bob')
  t.equal(one.current(), 'ada')
  t.equal(two.current(), 'bob')
  one.session.reread()
  t.same(
    one.session.users.value.map(({ id }) => id),
    ['ada', 'bob'],
    'no tab overwrites the other one’s users',
  )
  t.equal(open(server, { storage, tab: one.tab }).current(), 'ada', 'each reload finds its own')
  t.equal(open(server, { storage, tab: two.tab }).current(), 'bob')
  one.session.forget('bob')
  two.session.reread()
  t.equal(two.current(), undefined, 'whom one tab forgets, the other one does not go on with')
})

t.test('storage that refuses, or holds nonsense', async (t) => {
  const server = await createShopServer(t)
  server.addUser('ada')
  const { session, current } = open(server, { storage: forbidden as never, tab: forbidden as never })
  await session.enter('ada')
  t.equal(current(), 'ada')
  const storage = memory()
  storage.setItem('checkout.users', '[{"id":"a b","name":"x"},{"id":"ok","name":"Ok"},{"id":5},null]')
  storage.setItem('checkout.user', '"gone"')
  const odd = open(server, { storage })
  t.same(odd.session.users.value, [{ id: 'ok', name: 'Ok' }])
  t.equal(odd.current(), undefined)
})
