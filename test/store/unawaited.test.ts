import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { unawaited } from '../../scripts/unawaited.ts'

const WRONG = `
  tx.lease.assertHeld()
  if (held) tx.outbox.append('orders.paid.v1')
  tx.optional?.()
  if (!tx.inbox.claim('id')) return
  if (held || !tx.inbox.claim('id')) return
  if (tx.find('id') !== undefined) return
  void [1].filter((n) => tx.inbox.claim(String(n)))`
const RIGHT = `
  await tx.lease.assertHeld()
  if (!(await tx.inbox.claim('id'))) return
  if ((await tx.find('id')) !== undefined) return
  const ids = await Promise.all([tx.find('id'), tx.find('other')])
  let later: Promise<void> | undefined
  if (later !== undefined) await later
  if (!later) later = tx.lease.assertHeld()
  void tx.lease.assertHeld()
  tx.lease.assertHeld().catch(() => undefined)
  return tx.find(ids[0] ?? '')`

t.test('what is not awaited is reported, by file and line; what is meant is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'unawaited-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const tsconfig = join(folder, 'tsconfig.json')
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { strict: true, target: 'es2024', types: [] } }))
  writeFileSync(
    join(folder, 'port.ts'),
    `export interface Tx {
      lease: { assertHeld(): Promise<void> }
      outbox: { append(type: string): Promise<string> }
      inbox: { claim(id: string): Promise<boolean> }
      find(id: string): Promise<string | undefined>
      optional?(): Promise<void>
    }`,
  )
  const source = (body: string) =>
    `import type { Tx } from './port.ts'\nexport async function act(tx: Tx, held: boolean) {${body}\n}\n`
  writeFileSync(join(folder, 'right.ts'), source(RIGHT))
  writeFileSync(join(folder, 'wrong.ts'), source(WRONG))
  t.strictSame(unawaited(tsconfig).sort(), [
    'wrong.ts:3: not awaited: tx.lease.assertHeld()',
    "wrong.ts:4: not awaited: tx.outbox.append('orders.paid.v1')",
    'wrong.ts:5: not awaited: tx.optional?.()',
    "wrong.ts:6: not awaited: tx.inbox.claim('id')",
    "wrong.ts:7: not awaited: tx.inbox.claim('id')",
    "wrong.ts:8: not awaited: tx.find('id')",
    'wrong.ts:9: not awaited: tx.inbox.claim(String(n))',
  ])
})
