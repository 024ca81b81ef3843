/** What `helm test` runs in the cluster, against the system here. */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { withSystem } from '../support/system.ts'

const run = promisify(execFile)
const script = resolve(import.meta.dirname, '../../deploy/helm/shop/files/checkout.mjs')

t.test('a checkout that works, and one that does not', async (t) => {
  await withSystem(t, {}, async (system) => {
    for (const time of ['first', 'second']) {
      const { stdout } = await run(process.execPath, [script, system.url])
      t.match(
        stdout,
        /order of 700: paid, letter order_paid\norder of 301: failed, letter order_failed\n/,
        `the ${time} time`,
      )
    }
    const payments = `http://127.0.0.1:${system.ports.payments}`
    await t.rejects(run(process.execPath, [script, payments]), { code: 1 }, 'somebody who takes no registrations')
  })
})
