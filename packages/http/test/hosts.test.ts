import t from 'tap'
import { ownHosts } from '../src/hosts.ts'
import { ada, testApp } from './app.ts'

t.test('own names', async (t) => {
  const hosts = ownHosts(['Shop.example', '*.pets.example'])
  for (const own of [
    'localhost',
    'LOCALHOST:8080',
    'localhost.',
    'shop.localhost:8080',
    '127.0.0.1',
    '127.0.0.1:8080',
    '192.0.2.7:80',
    '[::1]:8080',
    '[2001:db8::1]',
    'shop.example',
    'SHOP.example.:443',
    'cats.pets.example',
    'old.cats.pets.example:1',
  ]) {
    t.ok(hosts.has(own), own)
    t.ok(hosts.has(own), `${own} again`)
  }
  for (const foreign of [
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    'shop.example.evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evilshop.example',
    'www.shop.example',
    'pets.example',
    'evil.example@localhost',
    'localhost@evil.example',
    'localhost/evil.example',
    'localhost evil.example',
    'localhost:99999',
    '[::1',
    'a,localhost',
  ]) {
    t.notOk(hosts.has(foreign), String(foreign))
  }
  for (let i = 0; i < 3_000; i += 1) hosts.has(`a${i}.example`)
  t.ok(hosts.has('shop.example'), 'however many names were asked for')
})

t.test('ALLOWED_HOSTS is for every request but probes and scrapes', async (t) => {
  const { app } = await testApp({ allowedHosts: ['shop.example'], health: { store: () => true, nats: () => true } })
  t.teardown(() => app.close())
  const get = async (host: string, url = '/orders', headers = {}) =>
    (await app.inject({ url, headers: { ...ada, ...headers, host } })).statusCode
  for (const host of ['shop.example', 'localhost:3001', '10.1.2.3:3001']) t.equal(await get(host), 200, host)
  t.equal(await get('evil.example'), 403)
  t.equal(await get('evil.example', '/orders', { 'x-forwarded-host': 'shop.example' }), 403, 'a page could send that')
  t.equal(await get('evil.example', '/nowhere'), 403)
  t.equal(await get('orders-service', '/health/ready'), 200)
  const refused = await app.inject({ url: '/orders', headers: { ...ada, host: 'evil.example' } })
  t.match(refused.json(), { code: 'host_forbidden', detail: /ALLOWED_HOSTS/ })

  const { app: open } = await testApp()
  t.teardown(() => open.close())
  t.equal((await open.inject({ url: '/orders', headers: { ...ada, host: 'any.example' } })).statusCode, 200)
})
