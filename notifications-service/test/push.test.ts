/** What a connection is sent, with a receiver instead of a socket; stream.test.ts has the sockets. */
import { createPlatform } from '@checkout/kernel/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import pino from 'pino'
import t, { type Test } from 'tap'
import { createPush } from '../src/push.ts'
import type { LetterReads } from '../src/store/port.ts'
import { notificationsApp, paidOf, unconnected } from './app.ts'

const machine = createPlatform()

const logger = pino({ level: 'silent' })

t.test('a long backlog lets the event loop turn, however fast it is taken', async (t) => {
  const { store, settled } = await notificationsApp(t)
  for (let n = 0; n < 400; n += 1) await settled(paidOf())
  const push = createPush({ store, signals: unconnected(), platform: machine, logger })
  const got: string[] = []
  let pages = 0
  let turns = 0
  let turnsNeeded = 0
  let watching = true
  const turn = () => {
    turns += 1
    if (watching) setImmediate(turn)
  }
  setImmediate(turn)
  const receiver = {
    // As a socket whose kernel buffer has room: done before anything else runs.
    async send(texts: readonly string[]) {
      pages += 1
      got.push(...texts)
      turnsNeeded = turns
      return true
    },
  }
  push.connect(receiver, 'ada', 0)
  await eventually(() => got.length === 401, { what: 'the backlog and ready' })
  watching = false
  t.ok(pages > 10, `${pages} pages`)
  t.ok(turnsNeeded >= pages - 2, `${turnsNeeded} turns of the event loop`)
})

t.test('a receiver that has ended is sent nothing more', async (t) => {
  const { store, settled } = await notificationsApp(t)
  for (let n = 0; n < 50; n += 1) await settled(paidOf())
  const push = createPush({ store, signals: unconnected(), platform: machine, logger })
  let calls = 0
  const disconnect = push.connect(
    {
      async send() {
        calls += 1
        disconnect()
        return true
      },
    },
    'ada',
    0,
  )
  await eventually(() => calls > 0, { what: 'the first page' })
  push.wake('ada')
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.equal(calls, 1)
})

/** Pushes from a store whose letters arrive only when `arrive` is called after they were read. */
async function slowly(t: Test) {
  const { store, settled } = await notificationsApp(t)
  await settled(paidOf())
  const waiting: (() => void)[] = []
  const after: LetterReads['after'] = async (...of) => {
    const page = await store.read.letters.after(...of)
    await new Promise<void>((resolve) => void waiting.push(resolve))
    return page
  }
  const read = { ...store.read, letters: { ...store.read.letters, after } }
  const push = createPush({ store: { ...store, read }, signals: unconnected(), platform: machine, logger })
  const seqs: number[] = []
  const receiver = {
    async send(texts: readonly string[]) {
      for (const text of texts) seqs.push(JSON.parse(text).seq)
      return true
    },
  }
  /** Resolves once something is being read. */
  const reading = () => eventually(() => waiting.length > 0, { what: 'a read' })
  return {
    push,
    seqs,
    settled,
    reading,
    connect: () => push.connect(receiver, 'ada', 0),
    /** How many reads were under way. */
    async arrive() {
      await reading()
      const arrived = waiting.splice(0)
      for (const each of arrived) each()
      return arrived.length
    },
  }
}

/** A receiver that takes what it is sent, and is done with it when the gate is open. */
function gated() {
  const gate = Promise.withResolvers<void>()
  const got: { type: string; seq: number }[] = []
  return {
    open: gate.resolve,
    opened: gate.promise,
    got,
    receiver: {
      async send(texts: readonly string[]) {
        got.push(...texts.map((text) => JSON.parse(text)))
        await gate.promise
        return true
      },
    },
  }
}

t.test('a connection that ends while its letters are read is sent nothing', async (t) => {
  const { connect, reading, arrive, seqs } = await slowly(t)
  const disconnect = connect()
  await reading()
  disconnect()
  await arrive()
  await new Promise(setImmediate)
  t.strictSame(seqs, [])
})

t.test('letters that are written while older ones are read follow, each once', async (t) => {
  const { push, connect, settled, reading, arrive, seqs } = await slowly(t)
  connect()
  await reading()
  for (let n = 0; n < 3; n += 1) {
    await settled(paidOf())
    push.wake('ada')
  }
  t.equal(await arrive(), 1, 'one read at a time')
  t.equal(await arrive(), 1, 'and one more for all wake-ups together')
  await eventually(() => seqs.at(-1) === 4, { what: 'the newest letter' })
  t.strictSame(seqs, [1, 1, 2, 3, 4], 'the first one, ready, the others')
})

t.test('woken while it is being sent something, a connection is looked at once more', async (t) => {
  const { store, settled } = await notificationsApp(t)
  const push = createPush({ store, signals: unconnected(), platform: machine, logger })
  const { open, got, receiver } = gated()
  push.connect(receiver, 'ada', undefined)
  await eventually(() => got.length === 1, { what: 'ready is on its way' })
  await settled(paidOf())
  push.wake('ada')
  push.wake('ada')
  open()
  await eventually(() => got.length === 2, { what: 'the letter' })
  t.strictSame(
    got.map(({ type, seq }) => `${type} ${seq}`),
    ['ready 0', 'notification 1'],
  )
})

t.test('nothing is read before wake-ups reach a connection, and nothing when it has ended by then', async (t) => {
  const { store, settled } = await notificationsApp(t)
  const { open, opened, got, receiver } = gated()
  const push = createPush({
    store,
    signals: { ...unconnected(), listening: () => opened },
    platform: machine,
    logger,
  })
  const ended = gated()
  push.connect(receiver, 'ada', undefined)
  push.connect(ended.receiver, 'ada', undefined)()
  push.wake('ada')
  await settled(paidOf())
  await new Promise(setImmediate)
  t.equal(got.length, 0)
  open()
  await eventually(() => got.length === 1, { what: 'ready' })
  t.equal(got[0]?.seq, 1, 'read after the letter')
  t.equal(ended.got.length, 0)
})
