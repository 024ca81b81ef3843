/** The broker that `make run` starts: who may do what there, who knows a password, and what happens when JetStream hangs. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inboxPrefix } from '@checkout/contracts/nats-permissions.ts'
import { parseUrl } from '@checkout/messaging/nats-url.ts'
import type { ManagedProcess } from '@checkout/processes/managed-process.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { adminUrl, passwordsFile, prepareOwnBroker, watchBroker } from '../../scripts/own-broker.ts'
import type { System } from '../../scripts/system.ts'
import { dataDirOf } from '../support/books.ts'
import { client, withSystem } from '../support/system.ts'

t.test('its users', async (t) => {
  await withSystem(t, {}, async (system) => {
    await t.test('nobody forges a payment', (t) => nobodyForges(t, system))
    await t.test('who knows which password', (t) => whoKnowsWhat(t, system))
  })
})

async function nobodyForges(t: Test, system: System) {
  const api = client(system.url, 'mallory')
  t.equal((await api('POST', '/users', { name: 'Mallory', email: 'm@example.com' })).status, 201)
  const funded = async () => (await api('POST', '/accounts/me/deposits', { amount: 100 })).status === 201
  await eventually(funded, { what: 'the account is open' })
  const { body: order } = await api('POST', '/orders', { amount: 5_000, description: 'unpaid' })
  const ended = async () => (await api('GET', `/orders/${order.id}`)).body.status !== 'pending'
  await eventually(ended, { what: 'the order is decided' })

  const address = `127.0.0.1:${system.ports.nats}`
  await t.rejects(connect({ servers: address, reconnect: false }), /authorization/i, 'an anonymous client is refused')
  const guess = { servers: address, user: 'payments-service', pass: 'payments-service', reconnect: false }
  await t.rejects(connect(guess), /authorization/i, 'a guessed password is refused')

  // What orders-service knows is not enough either.
  const environment = readFileSync(`/proc/${system.process('orders-service').pid}/environ`, 'utf8')
  const own = environment.split('\0').find((line) => line.startsWith('NATS_URL='))
  const options = { ...parseUrl(own?.slice('NATS_URL='.length) ?? ''), inboxPrefix: inboxPrefix('orders-service') }
  const nc = await connect({ ...options, reconnect: false })
  const forged = { id: 'forged', type: 'payments.succeeded.v1', data: { orderId: order.id } }
  await t.rejects(
    jetstream(nc, { timeout: 1_000 }).publish('payments.succeeded.v1', JSON.stringify(forged)),
    'orders-service may not say that something is paid',
  )
  await nc.close()
  t.equal((await api('GET', `/orders/${order.id}`)).body.status, 'failed', 'the order stays unpaid')
}

async function whoKnowsWhat(t: Test, system: System) {
  const file = passwordsFile(dataDirOf(system))
  t.equal(statSync(file).mode & 0o777, 0o600, 'only this user may read the file')
  const passwords = [...readFileSync(file, 'utf8').matchAll(/^NATS_([A-Z]+)_PASSWORD=(\S+)$/gm)]
  t.equal(new Set(passwords.map(([, , password]) => password)).size, 4, 'each has one of its own')
  for (const { name, pid } of system.processes) {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
    const known = passwords.filter(([, , password]) => environment.includes(password as string)).map(([, who]) => who)
    const part = name.endsWith('-service') ? [name.replace('-service', '').toUpperCase()] : []
    t.strictSame(known, part, `${name} knows its own only`)
  }
  for (const { pid } of [...system.processes, ...(system.nats ? [system.nats] : [])]) {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    t.notOk(
      passwords.some(([, , password]) => commandLine.includes(password as string)),
      'none is on a command line, which everybody reads',
    )
  }
  const admin = await connect({ ...parseUrl(adminUrl(dataDirOf(system), system.ports.nats)), reconnect: false })
  t.match((await admin.request('$JS.API.INFO')).json(), { streams: 2 }, 'the administrator asks everything')
  await admin.close()
}

t.test('a data folder keeps its passwords', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'own "broker" '))
  t.teardown(() => rmSync(dataDir, { recursive: true }))
  const first = prepareOwnBroker('nats-server', 4222, dataDir, {})
  const again = prepareOwnBroker('nats-server', 4333, dataDir, { STREAM_MAX_BYTES: '1048576' })
  t.strictSame(again.env, first.env)
  t.equal(again.url('admin'), adminUrl(dataDir, 4333))
  t.match(readFileSync(join(dataDir, 'nats-server.conf'), 'utf8'), `max_file_store: ${2 * 1024 ** 2 + 1024 ** 3}\n`)
  t.equal(again.roomWarning(), undefined)
  const huge = prepareOwnBroker('nats-server', 4222, dataDir, { STREAM_MAX_BYTES: `${2 ** 50}` })
  t.match(
    huge.roomWarning(),
    /has room for [\d.]+ GiB, the streams may take 2097152.0 GiB: make room, or lower STREAM_MAX/,
  )
  t.throws(() => prepareOwnBroker('nats-server', 4222, dataDir, { STREAM_MAX_BYTES: 'x' }), /STREAM_MAX_BYTES must be/)
})

/** A server that takes connections and, while it hangs, answers no request; it speaks just enough of the protocol. */
async function fakeServer() {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.write('INFO {"server_id":"fake","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576}\r\n')
    socket.on('data', (chunk) => {
      const text = chunk.toString()
      if (text.includes('PING')) socket.write('PONG\r\n')
      const [, inbox] = /PUB \$JS\.API\.\S+ (\S+) /.exec(text) ?? []
      const [, sid] = /SUB \S+ (\S+)\r\n/.exec(text) ?? []
      if (inbox && sid && !fake.hangs) socket.write(`MSG ${inbox} ${sid} 2\r\n{}\r\n`)
      if (inbox) fake.asked += 1
    })
  })
  const fake = { hangs: false, asked: 0, port: 0, close: () => server.close() }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  fake.port = (server.address() as { port: number }).port
  return fake
}

t.test('a broker whose JetStream hangs is killed, so that it starts again; one that answers is not', async (t) => {
  const storeDir = mkdtempSync(join(tmpdir(), 'hanging-'))
  t.teardown(() => rmSync(storeDir, { recursive: true }))
  const fake = await fakeServer()
  t.teardown(fake.close)
  const killed: string[] = []
  const managed: Pick<ManagedProcess, 'name' | 'instance' | 'pid' | 'kill'> = {
    name: 'nats-server',
    instance: 1,
    pid: 1,
    kill: (signal) => {
      killed.push(signal)
      fake.hangs = false
      return true
    },
  }
  const said: string[] = []
  const watch = watchBroker(managed, {
    url: `nats://admin:x@127.0.0.1:${fake.port}`,
    storeDir,
    log: (line) => void said.push(line),
  })
  t.teardown(watch.stop)
  await eventually(() => fake.asked >= 3, { what: 'it is asked' })
  t.strictSame(killed, [])
  fake.hangs = true
  await eventually(() => killed.length > 0, { what: 'it is killed', deadlineMs: 60_000 })
  t.strictSame(killed, ['SIGKILL'], 'SIGTERM does not end it')
  t.strictSame(said, ['nats-server 1: JetStream has not answered for 5 s: it is started again'])
  const { asked } = fake
  await eventually(() => fake.asked >= asked + 3, { what: 'it is asked again' })
  t.equal(killed.length, 1, 'once')
})
