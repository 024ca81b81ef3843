import { effect, signal } from '@preact/signals-core'
import t from 'tap'
import { failure } from '../ui/model/failure.ts'
import { href, parseRoute, type Route } from '../ui/model/route.ts'
import { createSettings } from '../ui/model/settings.ts'
import { asList, asString, createStore } from '../ui/model/storage.ts'
import { breathe, createStage, forbidden, memory, START_MS } from './model-platform.ts'

const origin = 'http://nowhere'
const iso = (agoMs: number) => new Date(START_MS - agoMs).toISOString()

t.test('language and theme are kept', async (t) => {
  const storage = memory()
  const { platform } = createStage({ origin, storage })
  const settings = createSettings(platform)
  t.equal(settings.language.value, 'en', "the first of the browser's languages that there is")
  t.equal(settings.theme.value, 'system')
  t.equal(storage.data.size, 0, 'what nobody chose is not kept')
  settings.language.value = 'ru'
  settings.theme.value = 'dark'
  const again = createSettings(platform)
  t.equal(again.language.value, 'ru')
  t.equal(again.theme.value, 'dark')

  storage.setItem('checkout.language', '"de"')
  storage.setItem('checkout.theme', '{broken')
  const garbled = createSettings({ ...platform, languages: ['de', 'RU-by', 'en'] })
  t.equal(garbled.language.value, 'ru')
  t.equal(garbled.theme.value, 'system')
  t.equal(createSettings({ ...platform, languages: ['de'] }).language.value, 'en')
})

t.test('dark', async (t) => {
  const prefersDark = signal(false)
  const { dark, theme } = createSettings({ ...createStage({ origin }).platform, prefersDark })
  t.equal(dark.value, false)
  prefersDark.value = true
  t.equal(dark.value, true)
  theme.value = 'light'
  t.equal(dark.value, false)
  theme.value = 'dark'
  prefersDark.value = false
  t.equal(dark.value, true)
})

t.test('times', async (t) => {
  const { platform } = createStage({ origin })
  const settings = createSettings(platform)
  const at = new Date(2026, 10, 22, 9, 3, 4, 7)
  t.equal(settings.clock(at.toISOString()), '09:03:04.007')
  t.match(settings.dateTime(at.toISOString()), /22 Nov 2026|Nov 22, 2026/)
  t.equal(settings.ago(iso(-5_000)), 'just now', "a server's clock that is ahead")
  t.equal(settings.ago(iso(59_000)), 'just now')
  t.equal(settings.ago(iso(60_000)), '1 minute ago')
  t.equal(settings.ago(iso(59 * 60_000)), '59 minutes ago')
  t.equal(settings.ago(iso(3 * 3_600_000)), '3 hours ago')
  t.match(settings.ago(iso(25 * 3_600_000)), /2026/)
  t.equal(settings.duration(4.4), '4 ms')
  t.equal(settings.duration(1_234), '1.2 s')
  t.equal(settings.duration(90_000), '1.5 min')
  settings.language.value = 'ru'
  t.equal(settings.ago(iso(5_000)), 'только что')
  t.equal(settings.ago(iso(120_000)), '2 минуты назад')
  t.equal(settings.duration(1_234), '1,2 с')
  t.equal(settings.clock(at.toISOString()), '09:03:04.007', 'columns look alike in every language')
})

t.test('time goes by while somebody looks', async (t) => {
  const { platform, advance, visible, timers } = createStage({ origin })
  const settings = createSettings(platform)
  const seen: string[] = []
  const dispose = effect(() => void seen.push(settings.ago(iso(0))))
  const stop = settings.start()
  await advance(70_000)
  t.equal(seen.at(-1), '1 minute ago')
  visible.value = false
  t.equal(timers(), 0, 'a hidden page does not tick')
  await advance(60_000)
  t.equal(seen.at(-1), '1 minute ago')
  visible.value = true
  t.equal(seen.at(-1), '2 minutes ago', 'right at once when it is back')
  stop()
  t.equal(timers(), 0)
  dispose()
})

t.test('problems in words', async (t) => {
  const settings = createSettings(createStage({ origin }).platform)
  const problem = failure('validation_failed', 'raw', { '/amount': 'is required' })
  t.match(settings.explain(problem), /marked fields/)
  t.equal(settings.explainField(problem, '/amount'), 'Please fill this in.')
  t.equal(settings.explainField(problem, '/description'), undefined)
  t.equal(settings.explainField(undefined, '/amount'), undefined)
})

t.test('storage that refuses', async (t) => {
  const store = createStore(forbidden)
  t.equal(store.read('a', asString), undefined)
  store.write('a', 'one')
  t.equal(store.read('a', asString), 'one', 'it lasts for the page')
  store.remove('a')
  t.equal(store.read('a', asString), undefined)
  const settings = createSettings(createStage({ origin, storage: forbidden, tab: forbidden }).platform)
  settings.theme.value = 'dark'
  t.equal(settings.theme.value, 'dark')

  // Full for a while: what was refused is not forgotten, nor is it found again once something newer is stored.
  const storage = memory()
  let full = true
  const sometimes = createStore({
    ...storage,
    setItem: (key, value) => (full ? forbidden : storage).setItem(key, value),
  })
  sometimes.write('a', 'old')
  t.equal(sometimes.read('a', asString), 'old')
  full = false
  sometimes.write('a', 'new')
  t.equal(storage.getItem('checkout.a'), '"new"')
  storage.setItem('checkout.a', '"of another tab"')
  t.equal(sometimes.read('a', asString), 'of another tab')
})

t.test('storage that somebody wrote nonsense to', async (t) => {
  const storage = memory()
  const store = createStore(storage)
  for (const nonsense of ['', '{', 'null', '17', '[1,"a",null,"b"]']) {
    storage.setItem('checkout.list', nonsense)
    t.same(store.read('list', asList(asString)), nonsense.startsWith('[') ? ['a', 'b'] : undefined, nonsense)
  }
  const hostile = store.read('list', () => {
    throw new Error('a parser that does not expect this')
  })
  t.equal(hostile, undefined)
})

t.test('routes', async (t) => {
  const routes: readonly (readonly [string, Route])[] = [
    ['#/', { name: 'home' }],
    ['#/orders', { name: 'orders' }],
    ['#/orders/01a2-b', { name: 'order', id: '01a2-b' }],
    ['#/account', { name: 'account' }],
    ['#/letters', { name: 'letters' }],
    ['#/letters/3', { name: 'letter', seq: 3 }],
    ['#/system', { name: 'system' }],
    ['#/users', { name: 'users' }],
    ['#/history', { name: 'history' }],
  ]
  for (const [hash, route] of routes) {
    t.same(parseRoute(hash), route, hash)
    t.equal(href(route), hash)
  }
  for (const hash of ['', '#', '#/']) t.same(parseRoute(hash), { name: 'home' }, `"${hash}"`)
  t.same(parseRoute('#/orders/'), { name: 'orders' })
  for (const hash of [
    '#/nothing',
    '#/orders/a/b',
    '#/orders/a%2Fb',
    '#/orders/..',
    '#/orders/%2E%2E',
    '#/letters/x',
    '#/letters/0',
    '#/letters/-1',
    '#/orders/%',
    '#/home',
  ]) {
    t.same(parseRoute(hash), { name: 'missing' }, hash)
  }
  t.equal(href({ name: 'missing' }), '#/')
  await breathe()
})
