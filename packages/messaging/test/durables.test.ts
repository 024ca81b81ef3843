/** A durable that a server has left deaf: messages and requests for them wait side by side, and nothing is delivered. */
import { streams } from '@checkout/contracts/topology.ts'
import { createPlatform } from '@checkout/service/platform.ts'
import { TEST_SYSTEM } from '@checkout/testkit/deployment.ts'
import t, { type Test } from 'tap'
import type { DurableState } from '../src/broker.ts'
import { createDurables } from '../src/durables.ts'
import { createJetStreamBroker } from '../src/jetstream.ts'
import { patched, recordingLogger, STREAM_MAX_BYTES, withStage } from './support/life.ts'
import { connectRaw } from './support/raw.ts'

t.setTimeout(120_000)

const stream = streams[0]
const DURABLE = 'payments-service_orders-created-v1'
const deaf = { pending: 5, waiting: 1, ackPending: 0, deliveries: 7 }

/** The stream's durables at a real server, what is told of DURABLE, and what has become of it after a look so much later. */
async function withDurables(
  t: Test,
  body: (s: {
    tell(state: Partial<DurableState>): void
    isMadeAnewAfter(ms: number): Promise<boolean>
  }) => Promise<void>,
) {
  await withStage(t, async (stage) => {
    const raw = await connectRaw(stage)
    const machine = createPlatform()
    let now = 0
    const platform = { ...machine, monotonic: () => now, sleep: async () => {} }
    const { logger } = recordingLogger()
    const connection = createJetStreamBroker({
      url: stage.nats.url,
      name: 'orders-service',
      streamMaxBytes: STREAM_MAX_BYTES,
      platform: machine,
      deployment: TEST_SYSTEM,
      logger,
    })
    stage.atEnd(() => connection.close())
    await connection.connect()
    await connection.createStream(stream)
    let told: Partial<DurableState> = {}
    const broker = patched(connection, {
      async durable(subscription) {
        const state = await connection.durable(subscription)
        return state && subscription.durable === DURABLE ? { ...state, ...told } : state
      },
    })
    const durables = createDurables({ stream, broker, platform, logger })
    await durables.create()
    const created = async () => (await raw.jsm.consumers.info(stream.name, DURABLE)).created
    await body({
      tell(state) {
        told = state
      },
      async isMadeAnewAfter(ms) {
        now += ms
        const before = await created()
        await durables.mend(await durables.states(), 100, async () => {})
        return (await created()) !== before
      },
    })
  })
}

t.test('it is made anew once it has delivered nothing for five seconds', async (t) => {
  await withDurables(t, async ({ tell, isMadeAnewAfter }) => {
    tell(deaf)
    t.notOk(await isMadeAnewAfter(0), 'seen for the first time')
    t.notOk(await isMadeAnewAfter(2_000))
    t.notOk(await isMadeAnewAfter(2_000))
    t.ok(await isMadeAnewAfter(2_000))
    t.notOk(await isMadeAnewAfter(0), 'the new one has its time, too')
    t.notOk(await isMadeAnewAfter(4_999))
    t.ok(await isMadeAnewAfter(1))
  })
})

t.test('one that delivers, that nobody asks, or that has nothing, stays', async (t) => {
  const well: Partial<DurableState>[] = [
    { ...deaf, deliveries: 8 },
    { ...deaf, waiting: 0 },
    { ...deaf, pending: 0 },
  ]
  await withDurables(t, async ({ tell, isMadeAnewAfter }) => {
    for (const state of well) {
      tell(deaf)
      await isMadeAnewAfter(0)
      tell(state)
      t.notOk(await isMadeAnewAfter(60_000))
      tell({})
      await isMadeAnewAfter(0)
    }
  })
})

t.test('it delivers again before it is made anew: it stays', async (t) => {
  await withDurables(t, async ({ tell, isMadeAnewAfter }) => {
    tell(deaf)
    await isMadeAnewAfter(0)
    let deliveries = deaf.deliveries
    tell({
      ...deaf,
      get deliveries() {
        return deliveries++
      },
    })
    t.notOk(await isMadeAnewAfter(60_000))
  })
})
