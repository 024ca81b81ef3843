/** What `make lint` refuses in production code, planted there: the message says what to use instead. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const OWN = /^\S+:\d+:\d+ (?:plugin|lint\/(?:style\/noRestricted|nursery\/noJsRestricted))/

/** What Biome says, by our own rules, about each of these files. */
function lint(files: ReadonlyMap<string, string>): (path: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'))
  try {
    for (const path of ['biome.jsonc', 'scripts/lint'])
      cpSync(join(root, path), join(folder, path), { recursive: true })
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), `${text}\n`)
    }
    const options = ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--colors=off', '.']
    const biome = spawnSync(join(root, 'node_modules/.bin/biome'), options, { cwd: folder, encoding: 'utf8' })
    const said = `${biome.stdout}${biome.stderr}`.split(/^(?=\S+:\d+:\d+ )/m).filter((one) => OWN.test(one))
    return (path) => said.filter((one) => one.startsWith(`${path}:`)).join('')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const engine = [
  "import type Database from 'better-sqlite3'",
  "import { eq } from 'drizzle-orm'",
  "import { integer } from 'drizzle-orm/sqlite-core'",
  "import { queries } from '@checkout/store/queries.ts'",
  "import type { Connection } from '@checkout/store/sqlite.ts'",
  "import { createUnitOfWork } from './unit-of-work.ts'",
  "export { sql } from 'drizzle-orm'",
  "export const late = await import('better-sqlite3')",
]

/** With what is to be used instead. */
const machine = {
  "import { setTimeout as delay } from 'node:timers/promises'": 'platform.sleep',
  "import { setTimeout as later } from 'node:timers'": 'platform.setTimeout',
  "import { performance } from 'node:perf_hooks'": 'platform.monotonic',
  "import { randomUUID } from 'node:crypto'": 'platform.newId',
  "import { randomBytes } from 'node:crypto'": 'platform.randomBytes',
  "import { v7 } from 'uuid'": 'platform.newId',
  'Math.random()': 'platform.random',
  'export const { random } = Math': 'platform.random',
  'Date.now()': 'platform.now',
  'export const wall = Date.now': 'platform.now',
  'new Date()': 'platform.now',
  'Date()': 'platform.now',
  'process.nextTick(() => {})': 'platform.nextTick',
  'process.hrtime()': 'platform.monotonic',
  'AbortSignal.timeout(1)': 'platform.setTimeout',
  'globalThis.setTimeout(() => {}, 1)': 'the platform',
  'crypto.randomUUID()': 'platform.newId',
  'performance.now()': 'platform.monotonic',
  'setTimeout(() => {}, 1)': 'platform.setTimeout',
  'setInterval(() => {}, 1)': 'platform.setInterval',
  'setImmediate(() => {})': 'platform.setImmediate',
  'await new Promise(setImmediate)': 'platform.setImmediate',
}

const allowed = [
  'export const at = new Date(5)',
  "import { createHash } from 'node:crypto'",
  'export const run = ({ setTimeout, random }: Platform) => setTimeout(() => random(), 1)',
  'export const turn = (platform: Platform) => new Promise<void>(platform.setImmediate)',
  "import type { Store } from '@checkout/store/port.ts'",
  "import { openOrdersStore } from './store/index.ts'",
]

const planted = (folder: string, texts: readonly string[]) =>
  texts.map((text, i) => [`${folder}/${i}.ts`, text] as const)

t.test('time, timers, chance and ids are the platform’s alone', async (t) => {
  const texts = Object.keys(machine)
  const files = planted('orders-service/src', texts)
  const everywhere = ['packages/messaging/src', 'orders-service/src/store', 'gateway/src', 'web/src'].flatMap(
    (folder) => planted(folder, ['Math.random()']),
  )
  const exempt = ['kernel/src/platform', 'http/src/lifecycle', 'kernel/src/log-output'].map(
    (path) => `packages/${path}.ts`,
  )
  const said = lint(
    new Map([...files, ...everywhere, ...exempt.map((path) => [path, texts.slice(6).join('\n')] as const)]),
  )
  for (const [path, text] of files) t.match(said(path), machine[text as keyof typeof machine], text)
  for (const [path] of everywhere) t.match(said(path), /platform\.random/, path)
  for (const path of exempt) t.equal(said(path), '', path)
})

t.test('nothing above the store’s port knows its engine', async (t) => {
  const above = ['orders-service/src', 'packages/http/src', 'packages/messaging/src', 'gateway/src']
  const files = above.flatMap((folder) => planted(folder, engine))
  const behind = ['orders-service/src/store/orders', 'packages/store/src/sqlite', 'packages/messaging/src/outbox']
  const exempt = behind.map((path) => [`${path}.ts`, engine.join('\n')] as const)
  const said = lint(new Map([...files, ...exempt]))
  for (const [path, text] of files) t.match(said(path), /use store\.read and store\.write/, `${path}: ${text}`)
  for (const [path] of exempt) t.equal(said(path), '', path)
})

t.test('and nothing is said about the rest', async (t) => {
  const files = planted('orders-service/src', allowed)
  const said = lint(new Map([...files, ['test/system/any.test.ts', Object.keys(machine).join('\n')]]))
  for (const [path, text] of files) t.equal(said(path), '', text)
  t.equal(said('test/system/any.test.ts'), '', 'tests may')
})
