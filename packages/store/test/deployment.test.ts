/** Whose a file is: the system's id, where it comes from, and what is refused. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

t.setTimeout(300_000)

const program = new URL('./support/deployed.ts', import.meta.url).pathname

/** Starts a service on a file in the folder; resolves with what it printed and its exit code. */
const start = (dataDir: string, file: string, { currency = 'RUB', systemId = '' } = {}) =>
  new Promise<{ code: number; id: string; said: string }>((resolve) => {
    const env = { ...process.env, SYSTEM_ID: systemId }
    execFile(process.execPath, [program, dataDir, file, currency], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, id: stdout.trim(), said: stderr })
    })
  })

function folder(t: Test): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'deployment-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

const idFile = (dataDir: string) => join(dataDir, 'system-id')
const idIn = (dataDir: string) => readFileSync(idFile(dataDir), 'utf8')

t.test('services that start at the same moment in a new folder end with the same id, and keep it', async (t) => {
  const dataDir = folder(t)
  // Of one that died before its draft became the file.
  writeFileSync(`${idFile(dataDir)}.draft`, 'half')
  const files = ['orders.sqlite', 'payments.sqlite', 'notifications.sqlite', 'orders.sqlite']
  const started = await Promise.all(files.map((file) => start(dataDir, file)))
  const [id] = started.map((one) => one.id)
  t.match(id, /^[-0-9a-f]{36}$/)
  t.ok(started.every((one) => one.code === 0 && one.id === id))
  t.equal(idIn(dataDir), `${id}\n`)
  rmSync(idFile(dataDir))
  t.equal((await start(dataDir, 'orders.sqlite')).id, id, 'the file has it, too')
  t.equal(idIn(dataDir), `${id}\n`, 'and gives it back to the folder')
})

t.test('SYSTEM_ID gives the id to new files; a file of another system is refused', async (t) => {
  const dataDir = folder(t)
  t.equal((await start(dataDir, 'orders.sqlite', { systemId: 'shop' })).id, 'shop')
  t.equal((await start(dataDir, 'orders.sqlite', { systemId: 'shop' })).code, 0)
  const other = await start(dataDir, 'orders.sqlite', { systemId: 'staging' })
  t.equal(other.code, 78)
  t.match(
    other.said,
    /^SYSTEM_ID is staging, but the data in .* belongs to the system shop: set SYSTEM_ID=shop, or DATA_DIR/,
  )
  t.equal(other.said.trim().split('\n').length, 1)
  t.equal((await start(dataDir, 'orders.sqlite')).id, 'shop', 'without the variable it stays what it is')

  const elsewhere = folder(t)
  await start(elsewhere, 'payments.sqlite')
  copyFileSync(join(dataDir, 'orders.sqlite'), join(elsewhere, 'orders.sqlite'))
  const mixed = await start(elsewhere, 'orders.sqlite')
  t.equal(mixed.code, 78)
  t.match(mixed.said, /system-id says [-0-9a-f]{36}, but the data in .* belongs to the system shop/)
})

t.test('a file with something else in the place of the id', async (t) => {
  const dataDir = folder(t)
  for (const text of ['', 'two words', '../x', 'x'.repeat(65)]) {
    writeFileSync(idFile(dataDir), text)
    const { code, said } = await start(dataDir, 'orders.sqlite')
    t.equal(code, 78, JSON.stringify(text))
    t.match(said, /system-id does not hold the id of a system/)
  }
})

t.test('another currency is refused', async (t) => {
  const dataDir = folder(t)
  await start(dataDir, 'notifications.sqlite')
  const { code, said } = await start(dataDir, 'notifications.sqlite', { currency: 'USD' })
  t.equal(code, 78)
  t.match(said, /^CURRENCY is USD, but the data in .* is in RUB: set CURRENCY=RUB, or DATA_DIR to another folder/)
})
