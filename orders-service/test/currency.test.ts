/** The process, started on data of another currency than CURRENCY: it ends at once and says what to do. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createPlatform } from '@checkout/kernel/platform.ts'
import t from 'tap'
import { openOrdersStore } from '../src/store/index.ts'

const machine = createPlatform()

const server = join(import.meta.dirname, '../src/server.ts')

/** A folder with a file of this currency. */
async function dataIn(currency: string): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'currency-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  const store = openOrdersStore({ dataDir, platform: machine })
  await store.write((tx) => tx.deployment.currency(currency))
  await store.close()
  return dataDir
}

for (const [data, currency, stderr] of [
  [
    'RUB',
    'USD',
    /^CURRENCY is USD, but the data in .* is in RUB: set CURRENCY=RUB, or DATA_DIR to another folder\.\n$/,
  ],
  // Earlier releases took any three letters.
  ['ABC', 'ABC', /CURRENCY must be the ISO 4217 code of a currency with a minor unit, such as RUB, but is "ABC"\n$/],
  [
    'ABC',
    'RUB',
    /the data in .* is in ABC, which is no currency with a minor unit: set DATA_DIR to another folder\.\n$/,
  ],
] as const) {
  t.test(`data in ${data}, CURRENCY=${currency}`, async (t) => {
    const env = { ...process.env, DATA_DIR: await dataIn(data), CURRENCY: currency, NATS_URL: 'nats://127.0.0.1:1' }
    await t.rejects(promisify(execFile)(process.execPath, [server], { env }), { code: 78, stderr })
  })
}
