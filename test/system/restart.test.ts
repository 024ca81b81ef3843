/** Clean stops and starts over the same data: nothing is lost, and nothing is done again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@checkout/testkit/eventually.ts'
import { natsServerProgram } from '@checkout/testkit/nats.ts'
import t from 'tap'
import { startSystem } from '../../scripts/system.ts'
import { client } from '../support/system.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'restart-'))
t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))

const start = async () => startSystem({ dataDir, ports: 'free', natsServer: await natsServerProgram() })

t.test('three runs over one folder: the streams are made once', async (t) => {
  for (const run of [1, 2, 3]) {
    const system = await start()
    const ada = client(system.url, 'ada')
    if (run === 1) await ada('POST', '/users', { name: 'Ada', email: 'ada@example.com' })
    await eventually(async () => (await ada('GET', '/accounts/me')).status === 200, { what: 'the account' })
    await ada('POST', '/accounts/me/deposits', { amount: 100 })
    const { body: order } = await ada('POST', '/orders', { amount: 60, description: `run ${run}` })
    await eventually(async () => (await ada('GET', `/orders/${order.id}`)).body.status === 'paid', { what: 'paid' })
    t.equal((await ada('GET', '/accounts/me')).body.balance, run * 40, 'the balance goes on from the run before')
    await system.stop()
    // Afterwards: a running service may keep lines for a second.
    const logs = ['orders-service-1', 'payments-service-1'].map((name) =>
      readFileSync(join(system.logsDir, `${name}.log`), 'utf8'),
    )
    const rebuilds = logs.join('').match(/making the stream anew/g)?.length ?? 0
    t.equal(rebuilds, run === 1 ? 2 : 0, `run ${run}: streams made`)
  }
})
