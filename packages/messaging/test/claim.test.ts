/** Two live copies of one system's files at one broker: at most one of them works; instances on one file all do. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { claimSubject } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { startNats } from '@checkout/testkit/nats.ts'
import { everythingAt } from '@checkout/testkit/streams.ts'
import t from 'tap'
import { type ClaimOptions, createClaim } from '../src/claim.ts'
import { type Life, openPublisherStore, query, type Stage, startLife, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'
import { EFFECTS, openTill, orderData, type TillTx, tillFile, tillHandlers } from './support/till.ts'

const machine = createPlatform()

t.setTimeout(300_000)

const publisher = async (stage: Stage, dir = stage.dir, url = stage.nats.url) => {
  const life = await startLife({ service: 'orders-service', url, store: openPublisherStore(dir), handlers: {} })
  stage.atEnd(life.stop)
  return {
    ...life,
    append: (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => {
          const orderId = machine.newId()
          return life.store.write((tx) =>
            tx.outbox.append('orders.created.v1', orderData(orderId), { correlationId: orderId }),
          )
        }),
      ),
    published: () =>
      eventually(async () => (await life.store.read.outbox.backlog()).rows === 0, { what: 'all published' }),
  }
}

const till = async (stage: Stage, dir = stage.dir, url = stage.nats.url): Promise<Life<TillTx>> => {
  const life = await startLife({ service: 'payments-service', url, store: openTill(dir), handlers: tillHandlers })
  stage.atEnd(life.stop)
  return life
}

const effects = (dir: string) => query<{ times: number }>(tillFile(dir), EFFECTS)

/** What `cp` makes of the files while they are in use. */
function copyOf({ dir }: Stage): string {
  const copy = mkdtempSync(join(dir, 'copy-'))
  for (const file of readdirSync(dir, { withFileTypes: true })) {
    if (file.isFile()) cpSync(join(dir, file.name), join(copy, file.name))
  }
  return copy
}

t.test('a copy beside the original: refused until it is started again, and takes nothing', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const original = { relay: await publisher(stage), till: await till(stage) }
    await original.relay.append(20)
    await eventually(() => effects(stage.dir).length === 20, { what: 'the original works' })
    const dir = copyOf(stage)
    await eventually(() => original.relay.messaging.backlogsEmpty(['orders.created.v1']), {
      what: 'all is acknowledged',
    })
    const found = async () => JSON.stringify(await everythingAt(raw.jsm)).replaceAll(/"num_waiting":\d+/g, '')
    const before = await found()
    const copy = { relay: await publisher(stage, dir), till: await till(stage, dir) }
    for (const { broker } of [copy.relay, copy.till]) {
      t.equal(broker.connected, false)
      t.match(broker.problem, /^refused: a copy of this system's data \(system test; .*\) is at work at this broker/)
    }
    await copy.relay.append(5)
    t.equal(await found(), before, 'it has changed nothing')
    await original.relay.append(20)
    await eventually(() => effects(stage.dir).length === 40, { what: 'the original goes on' })
    t.equal(effects(dir).length, 20, 'the copy was given nothing')

    await Promise.all([original.relay.stop(), original.till.stop()])
    t.equal(copy.relay.broker.connected, false, 'nor when the original has ended')
    await copy.relay.stop()
    const again = await publisher(stage, dir)
    await again.published()
    t.equal(again.broker.problem, undefined, 'started again it works')
  })
})

t.test('several copies that start at the same moment: one at most', async (t) => {
  await withStage(t, async (stage) => {
    const first = await publisher(stage)
    await first.append(5)
    await first.published()
    await first.stop()
    const dirs = [copyOf(stage), copyOf(stage), copyOf(stage), copyOf(stage)]
    const lives = await Promise.all(dirs.map((dir) => publisher(stage, dir)))
    const working = lives.filter(({ broker }) => broker.connected)
    t.equal(working.length, 1)
    t.equal(lives.filter(({ broker }) => /^refused: a copy/.test(broker.problem ?? '')).length, 3)
    await working[0]?.append(1)
    await working[0]?.published()
  })
})

t.test('two systems that start at the same moment on an empty broker: the line names the other', async (t) => {
  await withStage(t, async (stage) => {
    const start = async (systemId: string) => {
      const dir = join(stage.dir, systemId)
      mkdirSync(dir)
      const store = openPublisherStore(dir)
      const deployment = { systemId, currency: 'RUB' }
      const life = await startLife({ service: 'orders-service', url: stage.nats.url, store, handlers: {}, deployment })
      stage.atEnd(life.stop)
      return life
    }
    const lives = await Promise.all(['alpha', 'beta'].map(start))
    t.equal(lives.filter(({ broker }) => broker.connected).length, 1)
    const refused = lives.find(({ broker }) => !broker.connected)
    t.match(refused?.broker.problem, /^refused: the system (alpha|beta) \(.*; this is (alpha|beta)\) is at work/)
  })
})

t.test('instances on one file all work, whatever their order, and also after the broker was away', async (t) => {
  await withStage(t, async (stage) => {
    const lives = await Promise.all([publisher(stage), publisher(stage)])
    lives.push(await publisher(stage))
    const well = () => lives.every(({ broker }) => broker.connected && broker.problem === undefined)
    await eventually(well, { what: 'all are connected' })
    await stage.nats.kill()
    await eventually(() => lives.every(({ broker }) => !broker.connected), { what: 'all have noticed' })
    await stage.nats.start()
    await eventually(well, { what: 'all are back' })
    await lives[0]?.stop()
    lives.shift()
    await lives[0]?.append(3)
    await lives[1]?.published()
    t.ok(well())
  })
})

/** A way to a broker that can be changed: connections that are there break, new ones go to the other broker. */
async function startWay(stage: Stage, port: number) {
  let to = port
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  await once(server.listen(0, '127.0.0.1'), 'listening')
  stage.atEnd(() => {
    cut()
    server.close()
  })
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    change(port: number) {
      to = port
      cut()
    },
  }
}

for (const older of ['the copy', 'the original'] as const) {
  t.test(`two that could not reach each other meet: ${older} has worked for longer and goes on`, async (t) => {
    await withStage(t, async (stage) => {
      const before = await publisher(stage)
      await before.append(3)
      await before.published()
      await before.stop()
      const dir = copyOf(stage)
      const island = await startNats()
      stage.atEnd(island.stop)
      const way = await startWay(stage, island.port)
      const original = () => publisher(stage)
      const copy = () => publisher(stage, dir, way.url)
      const [first, second] = older === 'the copy' ? [copy, original] : [original, copy]
      const winner = await first()
      const loser = await second()
      t.ok(winner.broker.connected && loser.broker.connected, 'both work, apart')
      way.change(stage.nats.port)
      await eventually(() => loser.broker.problem, { what: 'they meet' })
      t.match(loser.broker.problem, /^refused: a copy/)
      await eventually(() => winner.broker.connected, { what: 'the other works' })
      await winner.append(2)
      await winner.published()
      t.equal(winner.broker.problem, undefined)
      t.equal(loser.broker.connected, false)
    })
  })
}

t.test('noise on the subject, and somebody who listens without answering', async (t) => {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    raw.nc.subscribe(claimSubject('orders-service'), { callback: () => {} })
    await raw.nc.flush()
    const life = await publisher(stage)
    t.ok(life.broker.connected, 'who says nothing claims nothing')
    for (const text of ['', 'null', '{"from":1}', '{"to":"all","verdict":"mine"}']) {
      raw.nc.publish(claimSubject('orders-service'), text)
    }
    await raw.nc.flush()
    await life.append(1)
    await life.published()
    t.equal(life.broker.problem, undefined)
  })
})

/** Claims that hear each other through a queue that the test empties, so that any order of messages can be had. */
function table() {
  const seats: { claim: ReturnType<typeof createClaim>; refused: string[] }[] = []
  const queue: (() => void)[] = []
  const sit = (file: Set<string>, own: Partial<ClaimOptions> = {}) => {
    const refused: string[] = []
    let reading: Promise<void> | undefined
    const index = seats.length
    const claim = createClaim({
      systemId: 'test',
      where: `seat ${index}`,
      store: {
        write: (work) => work({ claim: { note: async (nonce) => void file.add(nonce) } }),
        read: { claim: { noted: (nonce) => (reading ?? Promise.resolve()).then(() => file.has(nonce)) } },
      },
      say: (text) => {
        for (const [i, other] of seats.entries()) if (i !== index) queue.push(() => other.claim.hear(text))
      },
      platform: machine,
      onRefused: (line) => void refused.push(line),
      ...own,
    })
    seats.push({ claim, refused })
    /** What is read of the file from now on is answered when that is called. */
    const delayReads = () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      reading = promise
      return resolve
    }
    return { claim, refused, delayReads }
  }
  /** Everything that was said is heard. */
  const deliver = async () => {
    while (queue.length > 0) {
      queue.shift()?.()
      await new Promise(setImmediate)
    }
  }
  return { sit, queue, deliver }
}

t.test('any order in which two questions and their answers cross: never both', async (t) => {
  for (let round = 0; round < 200; round++) {
    const { sit, queue } = table()
    const [one, two] = [sit(new Set([randomUUID()])), sit(new Set())]
    const asked = [one.claim.ask(), two.claim.ask()]
    await new Promise(setImmediate)
    // The connection of each keeps its order; between the two, any.
    while (queue.length > 0) {
      queue.splice(Math.floor(Math.random() * queue.length), 1)[0]?.()
      // A judgement may come before or after what is heard next.
      if (Math.random() < 0.5 || queue.length === 0) await new Promise(setImmediate)
    }
    const cleared = [one, two].filter(({ refused }) => refused.length === 0)
    if (cleared.length > 1) t.fail('both')
    for (const { claim } of [one, two]) claim.close()
    await Promise.all(asked)
  }
  t.pass('200 orders')
})

t.test('while the file is read: who is closed refuses nothing any more, and says nothing', async (t) => {
  const { sit, queue, deliver } = table()
  const [one, two] = [sit(new Set([randomUUID()])), sit(new Set())]
  const arrive = one.delayReads()
  const asked = two.claim.ask()
  await new Promise(setImmediate)
  await deliver()
  one.claim.close()
  arrive()
  await new Promise(setImmediate)
  t.strictSame([queue.length, one.refused], [0, []])
  two.claim.close()
  await asked
})

t.test('while the file is read: who is refused meanwhile refuses nobody else', async (t) => {
  // Which one gives way is chance.
  for (let round = 0; round < 20; round += 1) {
    const { sit, deliver } = table()
    const [one, two] = [sit(new Set([randomUUID()])), sit(new Set())]
    const arrive = one.delayReads()
    const asked = [one.claim.ask(), two.claim.ask()]
    await new Promise(setImmediate)
    await deliver() // two has judged, one has not
    arrive()
    await new Promise(setImmediate)
    await deliver()
    t.equal(one.refused.length + two.refused.length, 1)
    for (const { claim } of [one, two]) claim.close()
    await Promise.all(asked)
  }
})

t.test('however long the file is read, the one that was cleared first goes on', async (t) => {
  const { sit, queue, deliver } = table()
  const [first, second] = [sit(new Set()), sit(new Set([randomUUID()]))]
  for (const { claim } of [first, second]) {
    const asked = claim.ask()
    await new Promise(setImmediate)
    queue.length = 0 // they cannot reach each other
    claim.nobodyListens()
    t.equal(await asked, true)
    await delay(50)
  }
  const arrive = second.delayReads()
  const asked = first.claim.ask()
  await new Promise(setImmediate)
  await deliver()
  await delay(200)
  arrive()
  await new Promise(setImmediate)
  await deliver()
  t.strictSame([first.refused.length, second.refused.length], [0, 1])
  for (const { claim } of [first, second]) claim.close()
  await asked
})
