/** What docs/operations.md says about backups: taken while orders are under way, restored, and the books agree. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { auditFiles } from '@checkout/audit/files.ts'
import { sentence } from '@checkout/audit/laws.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import { files } from '../../scripts/backup.ts'
import { root } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import { dataDirOf, query } from '../support/books.ts'
import { fundedUsers, startLoad } from '../support/load.ts'
import { untilSettled } from '../support/settle.ts'
import { assertNoErrors, withSystem } from '../support/system.ts'

/** Before the backup and after it. Nothing depends on how many they are. */
const REQUESTS = 100

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('a backup of a running system, restored', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  const backups = temporaryFolder(t)
  const claims = newClaims()
  let backup = ''
  await withSystem(t, {}, async (system) => {
    const users = await fundedUsers(system.url, 5, claims)
    const before = startLoad({ t, url: system.url, seed, claims, users })
    await before.accepted(REQUESTS)
    await before.stop()
    await untilSettled(t, system, 'before the backup')

    // All else is over in milliseconds, and a backup waits for the writers: without this, hardly one would catch it.
    const letters = system.process('notifications-service')
    await letters.terminate(10_000)
    const meanwhile = startLoad({ t, url: system.url, seed: seed + 1, claims: newClaims(), users, paceMs: 0 })
    let taken = 0
    const underWay = async () => {
      taken += 1
      backup = join(backups, `${taken}`)
      // A process of its own: it would hold up the load.
      await promisify(execFile)(process.execPath, ['scripts/backup.ts', backup], {
        cwd: root,
        env: { ...process.env, DATA_DIR: dataDirOf(system) },
      })
      return [...auditFiles(backup)].length
    }
    const open = await eventually(underWay, { what: 'a backup with orders under way' })
    t.comment(`the files of the backup disagree ${open} times`)
    letters.start()
    letters.restart = true
    await meanwhile.accepted(REQUESTS)
    await meanwhile.stop()
    assertNoErrors(t, system)
  })

  const restored = temporaryFolder(t)
  for (const file of [...files, 'system-id']) copyFileSync(join(backup, file), join(restored, file))
  await withSystem(t, { dataDir: restored }, async (system) => {
    await untilSettled(t, system, 'what was under way')
    const agreed = () => {
      const wrong = [...auditFiles(restored)].map(sentence)
      return wrong.length === 0 || Promise.reject(new Error(wrong.join()))
    }
    await eventually(agreed, { what: 'the books agree' })
    const orders = query<{ id: string }>(restored, 'orders', 'SELECT id FROM orders').map(({ id }) => id)
    const lost = [...claims.orders.keys()].filter((id) => !orders.includes(id))
    t.ok(claims.orders.size > 20)
    t.strictSame(lost, [], `the ${claims.orders.size} orders from before the backup are there`)
    assertNoErrors(t, system)
  })
})
