/**
 * The example of a front proxy, by nginx itself, before a gateway and a notifications-service: what a client says of who he is
 * has no effect. Left out, with a visible line, where there is no nginx.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { reservePorts } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { buildApp } from '../../gateway/src/app.ts'
import { createUpstream } from '../../gateway/src/upstream.ts'
import { notificationsApp } from '../../notifications-service/test/app.ts'

const machine = createPlatform()

const example = readFileSync(resolve(import.meta.dirname, '../../deploy/nginx/checkout.conf'), 'utf8')
const skip = spawnSync('nginx', ['-v']).error ? 'nginx is missing: apt-get install nginx-light' : false
const logger = createLogger({ name: 'gateway', instance: 1, level: 'silent' })

/** A service that goes by the header alone, the gateway, and nginx with the example, on ports of their own. */
async function start(t: Test) {
  const notifications = await notificationsApp(t, { stream: { userFromQuery: false, allowedHosts: ['shop.example'] } })
  await notifications.app.listen({ host: '127.0.0.1', port: 0 })
  const upstream = createUpstream('notifications', [urlOf(notifications.app.server)], machine, logger)
  await upstream.start()
  const upstreams = { orders: upstream, payments: upstream, notifications: upstream, web: upstream }
  const gateway = await buildApp({
    upstreams,
    platform: machine,
    logger,
    metrics: createMetrics(),
    allowedHosts: ['shop.example'],
  })
  await gateway.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    await gateway.close()
    await upstream.close()
  })

  const ports = await reservePorts()
  await ports.release()
  const folder = t.testdir()
  writeFileSync(join(folder, 'checkout.htpasswd'), 'ada:{PLAIN}secret\nbad.name:{PLAIN}secret\n')
  const own = example
    .replace('listen 80;', `listen 127.0.0.1:${ports.gateway};`)
    .replace('server 127.0.0.1:8080;', `server ${new URL(urlOf(gateway.server)).host};`)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const http = `access_log off; ${paths.join(' ')}\n${own}`
  // Started by root, its workers would be nobody, who may not read the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const conf = `${user} daemon off; pid ${folder}/pid; worker_processes 1; events {}\nhttp { ${http} }\n`
  writeFileSync(join(folder, 'nginx.conf'), conf)
  const nginx = spawn('nginx', ['-e', `${folder}/error.log`, '-p', folder, '-c', join(folder, 'nginx.conf')])
  const ended = once(nginx, 'exit')
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    await ended
  })
  const url = `http://127.0.0.1:${ports.gateway}`
  await eventually(() => fetch(url).then(() => true, () => false), { what: 'nginx listens' }) // biome-ignore format: one line
  return { notifications, url }
}

const urlOf = (server: { address(): unknown }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const basic = (user: string) => ({
  Host: 'shop.example',
  Authorization: `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`,
})

type Headers = Record<string, string | string[]>

async function get(url: string, headers: Headers) {
  const asked = request(url, { headers })
  asked.end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer) text += chunk
  return { status: answer.statusCode as number, text }
}

/** The seq of `ready`, or the status of the refusal. */
async function stream(url: string, query: string, headers: Headers): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/notifications/stream${query}`, {
    headers: headers as never,
  })
  const ended = Promise.race([
    once(socket, 'message').then(([data]) => String(data)),
    once(socket, 'unexpected-response').then(([, answer]) => `${answer.statusCode}`),
  ])
  const result = await ended
  socket.terminate()
  return result
}

t.test('a client cannot say who he is', { skip }, async (t) => {
  const { notifications, url } = await start(t)
  await notifications.write('ada', { subject: 'For ada', body: 'a' })
  await notifications.write('victim', { subject: 'For the victim', body: 'b' })
  await notifications.write('victim', { subject: 'For the victim', body: 'b' })
  const ada = basic('ada')

  t.equal((await get(`${url}/notifications`, { Host: 'shop.example', 'X-User-Id': 'victim' })).status, 401)
  const claims: Headers[] = [
    {},
    { 'X-User-Id': 'victim' },
    { 'x-user-ID': ['victim', 'victim'] },
    { X_User_Id: 'victim' },
    { Connection: 'close, X-User-Id' },
    { Connection: 'X-User-Id, Host', 'X-User-Id': 'victim' },
  ]
  for (const claim of claims) {
    const { status, text } = await get(`${url}/notifications?limit=5`, { ...ada, ...claim })
    t.equal(status, 200, JSON.stringify(claim))
    t.match(text, 'For ada')
    t.notMatch(text, 'victim')
    if (!('Connection' in claim)) {
      t.equal(
        await stream(url, '', { ...ada, ...claim }),
        '{"type":"ready","seq":1}',
        `stream ${JSON.stringify(claim)}`,
      )
    }
  }
  t.equal(await stream(url, '?userId=ada', ada), '{"type":"ready","seq":1}', 'as the web UI asks')
  for (const query of ['?userId=victim', '?userId=ada&userId=victim']) {
    t.equal(await stream(url, query, ada), '400', query)
  }
  t.equal(await stream(url, '?userId=victim', { Host: 'shop.example' }), '401')
  t.equal((await get(`${url}/notifications`, basic('bad.name'))).status, 400)
})

t.test('what is not for outside, and other names', { skip }, async (t) => {
  const { url } = await start(t)
  const ada = basic('ada')
  for (const path of ['/metrics', '/health', '/health/live', '/health/ready']) {
    const { status, text } = await get(url + path, ada)
    t.equal(status, 404, path)
    t.match(text, 'nginx', 'not even asked for')
  }
  t.equal((await get(`${url}/notifications`, { ...ada, Host: 'evil.example' })).status, 403)
  const page = { ...ada, Host: 'evil.example', Origin: 'http://evil.example' }
  t.equal(await stream(url, '', page), '403')
  const own = { ...ada, Host: 'shop.example', Origin: 'http://shop.example' }
  t.equal(await stream(url, '', own), '{"type":"ready","seq":0}')
})
