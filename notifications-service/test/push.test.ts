/** What a connection is sent, with a receiver instead of a socket; stream.test.ts has the sockets. */
import { createPlatform } from '@checkout/service/platform.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import pino from 'pino'
import t from 'tap'
import { createPush } from '../src/push.ts'
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
