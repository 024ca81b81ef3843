/** A broker that is connected and yet of no use: what is said about it, and that it is taken back when it is mended. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventExamples } from '@checkout/contracts/event-examples.ts'
import { largestEventBytes } from '@checkout/contracts/event-size.ts'
import { eventTypes } from '@checkout/contracts/events.ts'
import { streams } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { createGuard } from '@checkout/processes/guard.ts'
import { createManagedProcess, freshLog } from '@checkout/processes/managed-process.ts'
import { reservePorts, untilListening } from '@checkout/processes/ports.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { recordingLogger } from '@checkout/testkit/logger.ts'
import { natsServerProgram } from '@checkout/testkit/nats.ts'
import t, { type Test } from 'tap'
import { createJetStreamBroker } from '../src/jetstream.ts'

const machine = createPlatform()

t.setTimeout(120_000)

const GIB = 1024 ** 3
const [ORDERS] = streams

/** A nats-server with a configuration of the test's, which may replace it. */
async function startServer(t: Test, conf: string) {
  const program = await natsServerProgram()
  const ports = await reservePorts()
  const folder = mkdtempSync(join(tmpdir(), 'nats-health-'))
  const guard = createGuard()
  const file = join(folder, 'nats.conf')
  const jetstream = (limits: string) => `jetstream { store_dir: "${folder}/store"${limits} }`
  const write = (text: string) =>
    writeFileSync(
      file,
      text.replace(/jetstream\((.*)\)/, (_, limits) => jetstream(limits)),
    )
  write(conf)
  const server = createManagedProcess({
    name: 'nats-server',
    instance: 1,
    port: ports.nats,
    command: [program, '-c', file, '-a', '127.0.0.1', '-p', `${ports.nats}`],
    env: process.env,
    cwd: folder,
    logFile: freshLog(folder, 'nats-server'),
    guard,
  })
  server.restart = false
  const start = async () => {
    server.start()
    await untilListening(ports.nats, AbortSignal.timeout(30_000))
  }
  t.teardown(async () => {
    await server.terminate(5_000)
    await guard.close()
    await ports.release()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return {
    port: ports.nats,
    async restart(next: string) {
      await server.terminate(5_000)
      write(next)
      await start()
    },
  }
}

async function connectTo(t: Test, port: number, { streamMaxBytes = 1024 ** 2, user = '' } = {}) {
  const { logger, lines: logs } = recordingLogger('debug')
  const url = `nats://${user}127.0.0.1:${port}`
  const broker = createJetStreamBroker({
    url,
    name: 'test',
    streamMaxBytes,
    platform: machine,
    deployment: TEST_SYSTEM,
    logger,
  })
  t.teardown(broker.close)
  await broker.connect()
  return {
    broker,
    said: () => logs.filter(({ problem }) => problem !== undefined).map(({ msg }) => msg),
    problem: (pattern: RegExp) =>
      eventually(() => pattern.test(broker.problem ?? ''), { what: `a problem like ${pattern}` }),
    well: () => eventually(() => broker.connected && broker.problem === undefined, { what: 'no problem any more' }),
  }
}

const ONCE = ['a problem with the broker', 'a problem with the broker has gone']

t.test('no JetStream at all', async (t) => {
  const server = await startServer(t, '')
  const { problem, well, said } = await connectTo(t, server.port)
  await problem(/no JetStream.*--jetstream/)
  await server.restart('jetstream()')
  await well()
  t.strictSame(said(), ONCE, 'said once, and once that it is over')
})

t.test('no JetStream for this account', async (t) => {
  const accounts = (own: string) => `jetstream()
    accounts { SHOP: { ${own}, users: [{ user: shop, password: secret }] }, SYS: { users: [{ user: sys, password: sys }] } }
    system_account: SYS`
  const server = await startServer(t, accounts('jetstream: disabled'))
  const { problem, well } = await connectTo(t, server.port, { user: 'shop:secret@' })
  await problem(/no JetStream/)
  await server.restart(accounts('jetstream: enabled'))
  await well()
})

t.test('messages that are smaller than an event can be', async (t) => {
  const server = await startServer(t, 'jetstream()\nmax_payload: 1024')
  const { problem, well, said } = await connectTo(t, server.port)
  await problem(/up to 1024 bytes.*max_payload/)
  await server.restart('jetstream()')
  await well()
  t.strictSame(said(), ONCE)
})

t.test('less storage than the streams need', async (t) => {
  const server = await startServer(t, 'jetstream(, max_file_store: 100MB)')
  const { broker, problem, well } = await connectTo(t, server.port, { streamMaxBytes: 2 * GIB })
  await t.rejects(broker.createStream(ORDERS))
  await problem(/no room for the stream ORDERS of 2147483648 bytes.*max_file_store.*STREAM_MAX_BYTES/)
  await server.restart('jetstream(, max_file_store: 5GB)')
  await well()
  await broker.createStream(ORDERS)
  await broker.updateStream(ORDERS)
  t.equal(broker.problem, undefined)
})

t.test('less storage than the account may have', async (t) => {
  const server = await startServer(
    t,
    `jetstream()
     accounts { SHOP: { jetstream: { max_file: 1GB }, users: [{ user: shop, password: secret }] } }`,
  )
  const { broker, problem } = await connectTo(t, server.port, { streamMaxBytes: 2 * GIB, user: 'shop:secret@' })
  await t.rejects(broker.createStream(ORDERS))
  await problem(/no room for the stream ORDERS/)
})

t.test('JetStream that does not answer, while pings are answered', async (t) => {
  const server = await startServer(t, 'jetstream()')
  const proxy = await startProxy(t, server.port)
  const { broker, problem, well, said } = await connectTo(t, proxy.port)
  await broker.createStream(ORDERS)
  await well()
  proxy.swallow(/\$JS\.API\./)
  await problem(/JetStream does not answer.*restart nats-server/)
  t.equal(broker.connected, true, 'the connection is there')
  proxy.swallow(undefined)
  await well()
  t.strictSame(said(), ONCE)

  proxy.swallow(/\$JS\.API\.STREAM\./)
  let over = false
  const asking = (async () => {
    while (!over) await broker.stream('ORDERS').catch(() => undefined)
  })()
  await problem(/JetStream does not answer \(\$JS\.API\.STREAM\.INFO\.ORDERS\)/)
  t.pass('also when only calls about streams hang')
  proxy.swallow(undefined)
  await well()
  over = true
  await asking
})

t.test('a user without the right to ask is no problem', async (t) => {
  const server = await startServer(
    t,
    `jetstream()
     authorization { users: [{ user: old, password: secret, permissions: { publish: { deny: ["$JS.API.INFO"] } } }] }`,
  )
  const { broker } = await connectTo(t, server.port, { user: 'old:secret@' })
  await broker.createStream(ORDERS)
  for (const end = performance.now() + 7_000; performance.now() < end; await broker.stream('ORDERS')) {
    if (broker.problem !== undefined) t.fail(broker.problem)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})

t.test('the largest event is as large as the contract allows, and no example is larger', (t) => {
  const largest = largestEventBytes()
  t.ok(largest > 500 * 6 && largest < 16_384, `${largest} bytes`)
  for (const type of eventTypes) {
    for (const { event } of eventExamples[type]) t.ok(Buffer.byteLength(JSON.stringify(event)) < largest)
  }
  t.end()
})

/** Passes bytes on, but not the publishes of the client to subjects that the pattern matches. */
async function startProxy(t: Test, port: number) {
  let swallowed: RegExp | undefined
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connectTcp(port, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    server.pipe(client)
    let rest = Buffer.alloc(0)
    client.on('data', (data) => {
      rest = Buffer.concat([rest, data])
      for (let command = first(rest); command !== undefined; command = first(rest)) {
        if (!swallowed || !/^H?PUB /.test(command.line) || !swallowed.test(command.line)) {
          server.write(rest.subarray(0, command.bytes))
        }
        rest = rest.subarray(command.bytes)
      }
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  const { port: own } = proxy.address() as { port: number }
  return {
    port: own,
    swallow(pattern: RegExp | undefined) {
      swallowed = pattern
    },
  }
}

/** The first whole command of the NATS protocol, with its payload. */
function first(bytes: Buffer): { line: string; bytes: number } | undefined {
  const end = bytes.indexOf('\r\n')
  if (end < 0) return undefined
  const line = bytes.subarray(0, end).toString()
  const payload = /^H?PUB /.test(line) ? Number(line.split(' ').at(-1)) + 2 : 0
  const length = end + 2 + payload
  return length > bytes.length ? undefined : { line, bytes: length }
}
