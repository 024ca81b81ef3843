/** deploy/nats/nats.conf on a real nats-server: every service works with its user, and with nothing that is another's. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventTypes } from '@checkout/contracts/events.ts'
import { inboxPrefix, natsPermissions } from '@checkout/contracts/nats-permissions.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { serviceNames } from '@checkout/contracts/services.ts'
import { claimSubject, publisherOf, streams, subscriptions } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { createJetStreamBroker, type JetStreamBroker } from '@checkout/messaging/jetstream.ts'
import { createGuard } from '@checkout/processes/guard.ts'
import { createManagedProcess, freshLog } from '@checkout/processes/managed-process.ts'
import { reservePorts, untilListening } from '@checkout/processes/ports.ts'
import { assertNoChildren } from '@checkout/testkit/children.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { natsServerProgram } from '@checkout/testkit/nats.ts'
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { natsConf, passwordVariable, withUsers } from '../../scripts/nats-conf.ts'
import { root, startSystem } from '../../scripts/system.ts'
import { assertNoErrors } from '../support/system.ts'

const machine = createPlatform()

t.setTimeout(180_000)

const password = (service: ServiceName) => `secret-of-${service}`

/** Runs `body` with a server on this configuration; only its port, its store and its monitoring port are the test's. */
async function withServer(t: Test, body: (server: { port: number; log: () => string }) => Promise<void>) {
  const ports = await reservePorts()
  const folder = mkdtempSync(join(tmpdir(), 'nats-conf-'))
  const guard = createGuard()
  const passwords = Object.fromEntries(serviceNames.map((service) => [passwordVariable(service), password(service)]))
  const conf = join(folder, 'nats.conf')
  writeFileSync(conf, readFileSync(natsConf, 'utf8').replace('store_dir: /data\n', `store_dir: ${folder}/store\n`))
  const server = createManagedProcess({
    name: 'nats-server',
    instance: 1,
    port: ports.nats,
    command: [await natsServerProgram(), '-c', conf, '-a', '127.0.0.1', '-p', `${ports.nats}`, '-m', `${ports.web}`],
    env: { ...process.env, ...passwords },
    cwd: folder,
    logFile: freshLog(folder, 'nats-server'),
    guard,
  })
  server.restart = false
  try {
    server.start()
    await untilListening(ports.nats, AbortSignal.timeout(30_000))
    await body({ port: ports.nats, log: () => readFileSync(server.logFile, 'utf8') })
  } finally {
    await server.terminate(5_000)
    await guard.close()
    await ports.release()
    rmSync(folder, { recursive: true, force: true })
  }
  assertNoChildren(t)
}

const stateOf = async (broker: JetStreamBroker, name: string) => {
  const state = await broker.stream(name)
  if (state === 'foreign') throw new Error(`${name} is foreign`)
  return state
}

const urlOf = (service: ServiceName, port: number) => `nats://${service}:${password(service)}@127.0.0.1:${port}`

const brokerOf = (service: ServiceName, port: number) =>
  createJetStreamBroker({
    url: urlOf(service, port),
    name: service,
    inboxPrefix: inboxPrefix(service),
    streamMaxBytes: 2 ** 20,
    platform: machine,
    deployment: TEST_SYSTEM,
  })

t.test('nats.conf holds the users that the topology asks for', async (t) => {
  const conf = readFileSync(natsConf, 'utf8')
  t.equal(conf, withUsers(conf), 'if not: node scripts/nats-conf.ts')
})

t.test('nobody connects without a password, or with another one', async (t) => {
  await withServer(t, async ({ port }) => {
    const servers = `nats://127.0.0.1:${port}`
    await t.rejects(connect({ servers, reconnect: false }), /authorization/i)
    await t.rejects(connect({ servers, reconnect: false, user: 'orders-service', pass: 'wrong' }), /authorization/i)
  })
})

t.test('a wrong password and a right that is missing are said in the log', async (t) => {
  await withServer(t, async ({ port }) => {
    const told: string[] = []
    const logger = { info: () => {}, warn: ({ reason }: { reason: string }) => void told.push(reason) }
    const options = {
      name: 'test',
      inboxPrefix: inboxPrefix('orders-service'),
      streamMaxBytes: 2 ** 20,
      platform: machine,
      deployment: TEST_SYSTEM,
      logger,
    }
    const wrong = createJetStreamBroker({ ...options, url: `nats://orders-service:wrong@127.0.0.1:${port}` })
    const connecting = wrong.connect()
    await eventually(() => /authorization/i.test(told.join()), { what: 'the wrong password' })
    await wrong.close()
    await connecting
    const orders = createJetStreamBroker({ ...options, url: urlOf('orders-service', port) })
    await orders.connect()
    orders.onSignal('push.ada', () => {})
    await eventually(() => /subscription to "push.ada"/i.test(told.join()), { what: 'the subscription' })
    orders.signal('push.ada')
    await eventually(() => /publish to "push.ada"/i.test(told.join()), { what: 'the publish' })
    await orders.close()
    t.equal(told.length, 3, `each once: ${told}`)
  })
})

t.test('the whole system runs on it', async (t) => {
  await withServer(t, async ({ port, log }) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'checkout-'))
    const as = (service: ServiceName) =>
      ['env', `NATS_URL=${urlOf(service, port)}`, process.execPath, `${service}/build/server.js`] as const
    const system = await startSystem({
      dataDir,
      ports: 'free',
      instances: 2,
      env: { NATS_URL: `nats://127.0.0.1:${port}` },
      commands: {
        orders: as('orders-service'),
        payments: as('payments-service'),
        notifications: as('notifications-service'),
      },
    })
    try {
      const env = { ...process.env, BASE_URL: system.url }
      const { stdout } = await promisify(execFile)(process.execPath, ['scripts/demo.ts'], { cwd: root, env })
      t.match(stdout, /all \d+ steps as expected/)
    } finally {
      await system.stop()
    }
    t.notMatch(log(), /violation/i)
    assertNoErrors(t, system)
    rmSync(dataDir, { recursive: true, force: true })
  })
})

t.test("everything that a stream's owner and its readers do with it", async (t) => {
  await withServer(t, async ({ port, log }) => {
    for (const stream of streams) {
      const owner = brokerOf(stream.owner, port)
      await owner.connect()
      await owner.createStream(stream)
      await owner.updateStream(stream)
      const types = eventTypes.filter((type) => publisherOf(type) === stream.owner)
      const messages = types.map((subject, i) => ({
        subject,
        messageId: `${i}`,
        payload: '{}',
        traceparent: undefined,
      }))
      await owner.publish(stream.name, messages, 0)
      t.equal((await stateOf(owner, stream.name))?.lastSeq, types.length)
      t.equal(await owner.messageId(stream.name, 1), '0')
      for (const subscription of subscriptions.filter((one) => one.stream === stream.name)) {
        await owner.createDurable(subscription)
        await owner.markDurable(subscription)
        await readOne(t, subscription, () => owner.deleteDurable(subscription), port)
        t.equal(await owner.durable(subscription), undefined)
      }
      await owner.purge(stream.name, types.length)
      t.equal((await stateOf(owner, stream.name))?.firstSeq, types.length)
      await owner.deleteStream(stream.name)
      t.equal(await owner.stream(stream.name), undefined)
      await owner.close()
    }
    t.notMatch(log(), /violation/i)
  })
})

/** Reads and acknowledges a message as the subscriber, then sees the pull end because the durable is gone. */
async function readOne(
  t: Test,
  subscription: (typeof subscriptions)[number],
  deleteDurable: () => Promise<void>,
  port: number,
) {
  const reader = brokerOf(subscription.service, port)
  await reader.connect()
  const pull = await reader.pull(subscription)
  const drained = (async () => {
    for await (const delivery of pull) {
      t.equal(delivery.subject, subscription.subject)
      delivery.ack()
    }
  })()
  drained.catch(() => {}) // looked at below
  await eventually(
    async () => {
      const state = await reader.durable(subscription)
      return state && state.ackFloor > 0 && state.ackPending === 0
    },
    { what: `${subscription.durable} has acknowledged` },
  )
  await deleteDurable()
  await t.rejects(drained, /lost the durable/, 'it hears of the deletion')
  await reader.close()
}

t.test('a signal wakes the other instances of notifications-service', async (t) => {
  await withServer(t, async ({ port }) => {
    const [one, other] = [brokerOf('notifications-service', port), brokerOf('notifications-service', port)]
    await Promise.all([one.connect(), other.connect()])
    let woken = 0
    other.onSignal('push.ada', () => {
      woken += 1
    })
    await other.listening()
    one.signal('push.ada')
    await eventually(() => woken === 1, { what: 'the signal' })
    await Promise.all([one.close(), other.close()])
  })
})

/** Every subject that means something here → who may publish there, and who may listen there. */
const subjects: readonly { subject: string; publish: ServiceName[]; subscribe: ServiceName[] }[] = [
  ...eventTypes.map((type) => ({ subject: type, publish: [publisherOf(type)], subscribe: [] })),
  // Not published by anybody, although the streams would take them.
  ...['orders.created.v2', 'users.x', 'payments.x'].map((subject) => ({ subject, publish: [], subscribe: [] })),
  ...streams.flatMap(({ name, owner }) => {
    const readers = serviceNames.filter((service) =>
      subscriptions.some((one) => one.service === service && one.stream === name),
    )
    const owners = ['CREATE', 'UPDATE', 'INFO', 'PURGE', 'DELETE', 'MSG.GET'].map((verb) => `STREAM.${verb}.${name}`)
    const nobodys = ['STREAM.MSG.DELETE', 'STREAM.SNAPSHOT', 'STREAM.RESTORE', 'STREAM.LEADER.STEPDOWN', 'DIRECT.GET']
    return [
      ...owners.map((api) => ({ subject: `$JS.API.${api}`, publish: [owner], subscribe: [] })),
      ...nobodys.map((api) => ({ subject: `$JS.API.${api}.${name}`, publish: [], subscribe: [] })),
      { subject: `deleted.${name}`, publish: [owner], subscribe: readers },
      { subject: `$JS.EVENT.ADVISORY.STREAM.DELETED.${name}`, publish: [], subscribe: [owner, ...readers] },
    ]
  }),
  ...subscriptions.flatMap(({ stream, durable, subject, service }) => {
    const { owner } = streams.find(({ name }) => name === stream) ?? streams[0]
    const api = '$JS.API.CONSUMER'
    return [
      { subject: `${api}.CREATE.${stream}.${durable}.${subject}`, publish: [owner], subscribe: [] },
      { subject: `${api}.DELETE.${stream}.${durable}`, publish: [owner], subscribe: [] },
      { subject: `${api}.INFO.${stream}.${durable}`, publish: [owner, service], subscribe: [] },
      { subject: `${api}.MSG.NEXT.${stream}.${durable}`, publish: [service], subscribe: [] },
      { subject: `$JS.ACK.${stream}.${durable}.1.1.1.1.0`, publish: [service], subscribe: [] },
      {
        subject: `$JS.EVENT.ADVISORY.CONSUMER.DELETED.${stream}.${durable}`,
        publish: [],
        subscribe: [service],
      },
    ]
  }),
  ...serviceNames.map((service) => ({
    subject: `${inboxPrefix(service)}.x`,
    publish: [],
    subscribe: [service],
  })),
  { subject: 'push.ada', publish: ['notifications-service'], subscribe: ['notifications-service'] },
  // The server lets "*" stand for ">" here; nobody may publish below push.<user>.
  { subject: 'push.>', publish: [], subscribe: ['notifications-service'] },
  { subject: 'push.ada.x', publish: [], subscribe: [] },
  ...serviceNames.map((service) => ({ subject: claimSubject(service), publish: [service], subscribe: [service] })),
  { subject: '$JS.API.STREAM.NAMES', publish: streams.map(({ owner }) => owner), subscribe: [] },
  { subject: '$JS.API.INFO', publish: [...serviceNames], subscribe: [] },
  ...['_INBOX.x', '$JS.API.STREAM.LIST', '$SYS.REQ.SERVER.PING', 'anything'].map((subject) => ({
    subject,
    publish: [],
    subscribe: [],
  })),
  // Wildcards, which only a subscription can have.
  ...['>', '*.>', 'orders.>', 'users.>', 'payments.>', '_INBOX.>', '$JS.>', 'deleted.*', 'claim.*'].map((subject) => ({
    subject,
    publish: [],
    subscribe: [],
  })),
]

/** Whether a subject is one of those that a permission stands for. */
const covers = (pattern: string, subject: string): boolean => {
  const tokens = subject.split('.')
  const wanted = pattern.split('.')
  return (
    wanted.every((token, i) => token === '>' || token === '*' || token === tokens[i]) &&
    (wanted.at(-1) === '>' ? tokens.length >= wanted.length : tokens.length === wanted.length)
  )
}

t.test('no service has a permission that nothing here asks for', async (t) => {
  for (const service of serviceNames) {
    const permissions = natsPermissions(service)
    for (const kind of ['publish', 'subscribe'] as const) {
      const wanted = subjects.filter((one) => one[kind].includes(service))
      const more = permissions[kind].filter((pattern) => !wanted.some(({ subject }) => covers(pattern, subject)))
      t.strictSame(more, [], `${service}: ${kind}`)
    }
  }
})

for (const service of serviceNames) {
  t.test(`${service}: forged messages and foreign subscriptions are refused, and nothing else`, async (t) => {
    await withServer(t, async ({ port }) => {
      const nc = await connect({
        servers: `nats://127.0.0.1:${port}`,
        user: service,
        pass: password(service),
        inboxPrefix: inboxPrefix(service),
      })
      const published = subjects.map(({ subject }) => subject).filter((subject) => !/[*>]/.test(subject))
      const refusedToPublish = await refusals(nc, 'publish', published)
      const refusedToListen = await refusals(
        nc,
        'subscription',
        subjects.map(({ subject }) => subject),
      )
      for (const { subject, publish, subscribe } of subjects) {
        if (published.includes(subject)) {
          t.equal(refusedToPublish.has(subject), !publish.includes(service), `publish ${subject}`)
        }
        t.equal(refusedToListen.has(subject), !subscribe.includes(service), `listen on ${subject}`)
      }
      await nc.close()
    })
  })
}

/** Tries all of them; the server's answer to the ping that follows comes after its refusals. */
async function refusals(nc: NatsConnection, operation: 'publish' | 'subscription', tried: readonly string[]) {
  const refused = new Set<string>()
  const take = (error: unknown) => {
    if (error instanceof PermissionViolationError && error.operation === operation) refused.add(error.subject)
  }
  const statuses = nc.status()
  void (async () => {
    for await (const status of statuses) if (status.type === 'error') take(status.error)
  })()
  for (const subject of tried) {
    if (operation === 'publish') nc.publish(subject)
    else nc.subscribe(subject, { callback: take })
  }
  await nc.flush()
  await new Promise(setImmediate)
  return refused
}
