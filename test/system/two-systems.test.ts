/** Several systems at one broker: the first works as if it were alone, and the others say at the start why they do not. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertNoChildren } from '@checkout/testkit/children.ts'
import { startNats, type TestNats } from '@checkout/testkit/nats.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import { everythingAt } from '@checkout/testkit/streams.ts'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { type SystemOptions, startSystem } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { assertAudit, untilSettled } from '../support/settle.ts'
import { assertNoErrors } from '../support/system.ts'

t.setTimeout(300_000)

async function withBroker(t: Test, body: (nats: TestNats, jsm: JetStreamManager) => Promise<void>) {
  const nats = await startNats()
  const nc = await connect({ servers: nats.url })
  try {
    await body(nats, await jetstreamManager(nc))
  } finally {
    await nc.close()
    await nats.stop()
  }
  assertNoChildren(t)
}

/** A start that has to fail. Resolves with what it said; nothing of it is left running. */
async function refusedStart(t: Test, options: Partial<SystemOptions> & { env: NodeJS.ProcessEnv }): Promise<string> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'checkout-'))
  try {
    const system = await startSystem({ ports: 'free', ...options, dataDir })
    await system.stop()
    t.fail('it started')
    return ''
  } catch (error) {
    return (error as Error).message
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

t.test('a second system and a copy of the first one, under load, and one that finds what it left behind', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withBroker(t, async (nats, jsm) => {
    const env = { NATS_URL: nats.url }
    const dataDir = mkdtempSync(join(tmpdir(), 'checkout-'))
    const system = await startSystem({ dataDir, ports: 'free', env })
    try {
      const claims = newClaims()
      const users = await fundedUsers(system.url, 5, claims)
      const load = startLoad({ t, url: system.url, seed, claims, users })

      const other = await refusedStart(t, { env })
      t.match(other, /refused: .*system [-\w]+ .*leave NATS_URL unset/, 'a second system is refused')
      t.equal(other.split('\n').length, 1, 'in one line')

      const copied = mkdtempSync(join(tmpdir(), 'checkout-'))
      cpSync(dataDir, copied, { recursive: true })
      const copy = await refusedStart(t, { dataDir: copied, env })
      t.match(copy, /refused: a copy of this system's data .* is at work .*leave NATS_URL unset/, 'and so is a copy')

      await load.stop()
      await untilSettled(t, system, 'after both')
      t.strictSame(load.unexpected, [])
      assertAudit(t, system, claims)
      assertNoErrors(t, system)
    } finally {
      await system.stop()
    }

    const left = await everythingAt(jsm)
    const late = await refusedStart(t, { env })
    t.match(late, /refused: the stream \w+ belongs to the system [-\w]+; this is/, 'what is left is refused, too')
    t.strictSame(await everythingAt(jsm), left, 'and nothing of it is touched')
    rmSync(dataDir, { recursive: true, force: true })
  })
})

t.test('services in different currencies: refused, no money moves', async (t) => {
  await withBroker(t, async (nats) => {
    const as = (currency: string) =>
      ['env', `CURRENCY=${currency}`, process.execPath, 'orders-service/build/server.js'] as const
    const said = await refusedStart(t, {
      env: { NATS_URL: nats.url, CURRENCY: 'RUB' },
      commands: { orders: as('USD') },
    })
    t.match(said, /refused: the stream \w+ is in (USD|RUB), CURRENCY here is (RUB|USD)/)
  })
})
