/**
 * All tests, each file a process of its own, as many at a time as fill two cores: much of what single parts do is waiting (for a
 * broker that restarts, a lease that runs out), most of what whole systems do is work. Those that take longest begin.
 *
 *   tap test/all.ts                      everything; what the parts' tests covered is then in .tap/coverage
 *   tap --test-arg=broker test/all.ts    what depends on the version of nats-server, without coverage
 */
import { execFile } from 'node:child_process'
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'

const root = resolve(import.meta.dirname, '..')
const brokerOnly = process.argv.includes('broker')
const COVERAGE = resolve(root, '.tap/c8')
const COVERAGE_TABLE = resolve(root, '.tap/coverage')
/** More of them only slow each other down. */
const AT_A_TIME = 8
/** Of a file, unless it asks for more (t.setTimeout). */
const TIMEOUT_MS = 180_000

/** Also with STORE=postgres; what is written for an engine runs on it anyway. */
const ON_POSTGRES = [
  'packages/messaging/test/delivery',
  'test/delivery/orders',
  'test/delivery/payments',
  'test/delivery/notifications',
]

const LONGEST = [
  'test/system/two-systems',
  'notifications-service/test/mailer',
  'test/system/wall-clock',
  'test/delivery/payments',
  'test/system/postman',
  'test/delivery/notifications',
  'test/delivery/orders',
  'packages/messaging/test/delivery',
  'test/system/full-disk',
  'packages/messaging/test/arrears',
  'test/system/kill-services',
  'packages/messaging/test/retention',
  'test/system/broker-loss',
  'packages/messaging/test/fences',
  'test/system/run',
  'test/system/own-broker',
]

/** Systems in which nothing is about the broker. */
const NOT_THE_BROKER = /system\/(addresses|audit|backup|locked|log-rotation|mail|postman|push-slow)\.test/
const isBrowser = (file: string) => file.startsWith('test/browser/')
const isSystem = (file: string) => isBrowser(file) || file.startsWith('test/system/')
const isAboutTheBroker = (file: string) =>
  /^(packages\/messaging|test\/delivery|test\/system)\/|nats-permissions|dead-letters|notifications-service\/test\/stream/.test(
    file,
  ) && !NOT_THE_BROKER.test(file)

const found = globSync('{packages/*,*-service,gateway,web,bench,test}/**/*.test.ts', {
  cwd: root,
  exclude: (file) => /(^|\/)node_modules$/.test(file),
}).filter((file) => !brokerOnly || isAboutTheBroker(file))
/** The longest first, then parts before systems. */
const rank = (file: string) => {
  const place = LONGEST.indexOf(file.replace(/\.test\.ts$/, ''))
  return place === -1 ? LONGEST.length + (isSystem(file) ? 1 : 0) : place
}
const files = found.toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b))

for (const old of [COVERAGE, COVERAGE_TABLE]) rmSync(old, { recursive: true, force: true })
mkdirSync(COVERAGE, { recursive: true })
t.setTimeout(0) // each file has its own
t.jobs = AT_A_TIME
const run = (t: Test, file: string, ...variables: string[]) => {
  // With NODE_OPTIONS tap has every process load its hooks, those of the services too: a third of what a start takes.
  const env = ['env', 'NODE_OPTIONS=', ...variables]
  if (!brokerOnly && !isSystem(file)) env.push(`NODE_V8_COVERAGE=${COVERAGE}`)
  const [command = '', ...args] = [...env, process.execPath, file]
  return t.spawn(command, args, { cwd: root, buffered: true, timeout: TIMEOUT_MS }, [file, ...variables].join(' '))
}
// One browser at a time: a page that waits for its turn goes on drawing, so that six of them take three times the work.
const browsers = files.filter(isBrowser)
if (browsers.length > 0) {
  t.test('browser', { buffered: true, timeout: 0 }, async (t) => {
    for (const file of browsers) await run(t, file)
  })
}
const parts: Promise<unknown>[] = []
for (const file of files.filter((file) => !isBrowser(file))) {
  const runs = [run(t, file)]
  if (!brokerOnly && ON_POSTGRES.includes(file.replace(/\.test\.ts$/, ''))) runs.push(run(t, file, 'STORE=postgres'))
  if (!isSystem(file)) parts.push(...runs)
}

if (!brokerOnly) {
  t.test('coverage', { buffered: true, timeout: 0 }, async (t) => {
    await Promise.all(parts)
    await new Promise<void>((done) => {
      const options = { cwd: root, env: { ...process.env, NODE_OPTIONS: '' } }
      execFile(resolve(root, 'node_modules/.bin/c8'), ['report'], options, (error, stdout) => {
        t.error(error)
        writeFileSync(COVERAGE_TABLE, stdout)
        done()
      })
    })
  })
}
