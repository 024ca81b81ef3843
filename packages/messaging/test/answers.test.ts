/** Up to where questions were answered, told from positions that a test sets. */
import t from 'tap'
import { createAnswers } from '../src/answers.ts'
import type { DurableState } from '../src/broker.ts'
import type { Arrears } from '../src/port.ts'

const idle: DurableState = { ackFloor: 0, delivered: 0, pending: 0, ackPending: 0, deliveries: 0, marked: true }

function scene() {
  const world = {
    connected: true,
    incarnation: 'one',
    recorded: 'one',
    lastSeq: 0,
    questions: idle as DurableState | undefined,
    succeeded: idle as DurableState | undefined,
    failed: idle as DurableState | undefined,
    arrears: undefined as Arrears | undefined,
  }
  const answers = createAnswers({
    question: 'orders.created.v1',
    answers: ['payments.succeeded.v1', 'payments.failed.v1'],
    broker: {
      get connected() {
        return world.connected
      },
      stream: async () => ({
        incarnation: world.incarnation,
        firstSeq: 1,
        lastSeq: world.lastSeq,
        bytes: 0,
        maxBytes: 0,
      }),
      durable: async ({ subject }) =>
        subject === 'orders.created.v1'
          ? world.questions
          : subject === 'payments.failed.v1'
            ? world.failed
            : world.succeeded,
    },
    outbox: {
      incarnation: async () => world.recorded,
      arrears: { first: async () => world.arrears, spans: async () => [] },
    },
  })
  const look = (change: Partial<typeof world> = {}) => {
    Object.assign(world, change)
    return answers.upTo()
  }
  return { look }
}

t.test('the mark moves on when the answers that were there a look later are handled', async (t) => {
  const { look } = scene()
  const reading = { ...idle, ackFloor: 10, delivered: 12, pending: 5, ackPending: 2 }
  t.equal(await look({ lastSeq: 17, questions: reading }), undefined, 'the mark is set at 10')
  // Two are being handled and six more wait: the stream ends at 18 or before.
  const waiting = { ...idle, ackFloor: 8, delivered: 10, pending: 6, ackPending: 2 }
  const other = { ...idle, ackFloor: 11, delivered: 12, pending: 0, ackPending: 1 }
  t.equal(await look({ succeeded: waiting, failed: other, questions: { ...reading, ackFloor: 15 } }), undefined)
  t.equal(await look({ succeeded: { ...waiting, ackFloor: 17, delivered: 22 } }), undefined, 'one is not handled')
  t.equal(await look({ succeeded: { ...waiting, ackFloor: 18, delivered: 22 } }), undefined, 'nor by the other one')
  t.equal(await look({ failed: { ...other, ackFloor: 19, delivered: 21 } }), 10, 'all are, and more under way')
  t.equal(
    await look({ succeeded: idle, failed: { ...idle, delivered: 22 } }),
    15,
    'without traffic, the next mark at once',
  )
})

t.test('nothing is known without a connection, a stream, a durable, or across another life of a stream', async (t) => {
  for (const [what, change, back] of [
    ['no connection', { connected: false }, { connected: true }],
    ['another life of the questions', { incarnation: 'two' }, { incarnation: 'one' }],
    ['a life that the outbox does not know of yet', { recorded: 'two' }, { recorded: 'one' }],
    [
      'the stream made room before a question was read',
      { arrears: { durable: 'payments', fromId: 1, toId: 2 } },
      { arrears: undefined },
    ],
    ['a durable is missing', { failed: undefined }, { failed: idle }],
    ['the durables have read less than before', { succeeded: idle, failed: idle }, {}],
  ] as const) {
    const { look } = scene()
    const read = { ...idle, delivered: 9, ackFloor: 9 }
    await look({ lastSeq: 9, questions: read, succeeded: read, failed: read })
    t.equal(await look(), 9)
    t.equal(await look(change), undefined, what)
    t.equal(await look(back), what.startsWith('the durables') ? 9 : undefined, 'a new mark')
    t.equal(await look(), 9)
  }
})

t.test('answers must be all that is on one stream: its end is told from who reads it', (t) => {
  const create = (answers: Parameters<typeof createAnswers>[0]['answers']) => () =>
    createAnswers({ question: 'orders.created.v1', answers, broker: {} as never, outbox: {} as never })
  t.throws(create(['payments.succeeded.v1']))
  t.throws(create(['payments.succeeded.v1', 'payments.failed.v1', 'orders.paid.v1']))
  t.doesNotThrow(create(['payments.succeeded.v1', 'payments.failed.v1']))
  t.end()
})
