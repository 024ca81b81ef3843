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
  void [1].filter((n) => tx.inbox.claim(String(n)))
  if (!read.orders.find('id')) throw new Error('not found')
  const order = read.orders.find('id')
  if (held && !order) return
  const known = order || held
  const isYoung = async (id: string) => (await read.newest(id)) !== undefined
  if (['a'].some(isYoung)) return
  if (['a'].every(async (id) => (await read.newest(id)) === 1)) return
  const text = \`\${read.count()} letters\` + read.count()
  const body = JSON.stringify({ ...order, text, known }) + JSON.stringify(read.count())
  const isOurs = text.length > 0 && read.orders.find(body)
  if (isOurs) return
  t.ok(read.orders.find(body))
  t.equal(read.count(), 1)`
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
  if (!(await read.orders.find('id'))) throw new Error('not found')
  const count = read.count()
  const body = JSON.stringify({ ...(await read.orders.find('id')), text: \`\${await count} letters\` })
  const young = await Promise.all(['a'].map(async (id) => (await read.newest(id)) !== undefined))
  if (young.some(Boolean)) t.ok(await read.orders.find(body))
  await t.resolves(read.count())
  const running = new Map<string, Promise<number>>()
  await (running.get('a') ?? count)
  if (running.get('a')) return
  if (running.get('a') === count) return
  return tx.find(ids[0] ?? '')`

const lineOf = (place: string) => Number(place.split(':')[1])
const byLine = (a: string, b: string) => lineOf(a) - lineOf(b)

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
    }
    export interface Read {
      orders: { find(id: string): Promise<{ id: string } | undefined> }
      count(): Promise<number>
      newest(id: string): Promise<number | undefined>
    }
    export interface Test {
      ok(value: unknown): void
      equal(value: any, wanted: any): void
      resolves(promise: Promise<unknown>): Promise<void>
    }`,
  )
  const source = (body: string) =>
    `import type { Read, Test, Tx } from './port.ts'\nexport async function act(tx: Tx, read: Read, t: Test, held: boolean) {${body}\n}\n`
  writeFileSync(join(folder, 'right.ts'), source(RIGHT))
  writeFileSync(join(folder, 'wrong.ts'), source(WRONG))
  t.strictSame(unawaited(tsconfig).sort(byLine), [
    'wrong.ts:3: not awaited: tx.lease.assertHeld()',
    "wrong.ts:4: not awaited: tx.outbox.append('orders.paid.v1')",
    'wrong.ts:5: not awaited: tx.optional?.()',
    "wrong.ts:6: not awaited: tx.inbox.claim('id')",
    "wrong.ts:7: not awaited: tx.inbox.claim('id')",
    "wrong.ts:8: not awaited: tx.find('id')",
    'wrong.ts:9: not awaited: (n) => tx.inbox.claim(String(n))',
    "wrong.ts:10: not awaited: read.orders.find('id')",
    'wrong.ts:12: not awaited: order',
    'wrong.ts:13: not awaited: order',
    'wrong.ts:15: not awaited: isYoung',
    'wrong.ts:16: not awaited: async (id) => (await read.newest(id)) === 1',
    'wrong.ts:17: not awaited: read.count()', // in the template
    'wrong.ts:17: not awaited: read.count()', // behind it
    'wrong.ts:18: not awaited: order',
    'wrong.ts:18: not awaited: read.count()',
    'wrong.ts:20: not awaited: isOurs',
    'wrong.ts:21: not awaited: read.orders.find(body)',
    'wrong.ts:22: not awaited: read.count()',
  ])
})
