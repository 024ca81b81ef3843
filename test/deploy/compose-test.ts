/**
 * `make compose-test`: the containers, for real. Builds the images, brings everything up by compose.yaml and does to it what
 * operators and accidents do: scales, kills, crashes, takes it down and up again, under load and with clients that
 * listen. In the end the books have to agree with every answer that was given.
 *
 * Needs docker with compose. Has a project name and a port of its own, so it never touches a running system, and removes
 * what it made.
 */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serviceNames } from '@checkout/contracts/services.ts'
import { reservePorts } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import { root } from '../../scripts/system.ts'
import { audit, type Claims, newClaims } from '../support/audit.ts'
import { services, unsettled } from '../support/books.ts'
import { type Follower, follow } from '../support/follower.ts'
import { fundedUsers, type Load, startLoad } from '../support/load.ts'
import { client, troubleIn } from '../support/system.ts'

const PROJECT = 'checkout-test'
const SERVICES = [...serviceNames, 'gateway', 'web'] as const
const BASE_IMAGE = 'node:24-bookworm-slim'
/** What the images may add to the base, and how soon an instance has to be there and in, or out of, the rotation. */
const IMAGE_BYTES_MAX = 60_000_000
const READY_MS_MAX = 3_000
const ROTATION_MS_MAX = 2_000
const USERS = 12
/** Longer than the gateway may take to drop an instance: what goes wrong in between, goes wrong under load. */
const LOAD_MS = 3_000
const COMMAND_MS_MAX = 900_000

const { gateway: port, release } = await reservePorts()
const url = `http://127.0.0.1:${port}`
const seed = newSeed()
const scale = ['--scale', 'notifications-service=3', '--scale', 'orders-service=2']
const env = {
  ...process.env,
  PORT: `${port}`,
  PUBLISH_ON: '127.0.0.1',
  COMPOSE_PROFILES: '',
  SMTP_URL: '',
  RATE_LIMIT_PER_MINUTE: '',
  LOG_LEVEL: 'info',
}

async function docker(...args: string[]): Promise<string> {
  const options = { cwd: root, env, timeout: COMMAND_MS_MAX, maxBuffer: 2 ** 28 }
  const { stdout } = await promisify(execFile)('docker', args, options)
  return stdout.trim()
}
/** Without the user's .env. */
const compose = (...args: string[]) => docker('compose', '--env-file', '/dev/null', '--project-name', PROJECT, ...args)
const removeAll = () => compose('--profile', '*', 'down', '--volumes', '--remove-orphans', '--rmi', 'local')

interface Container {
  readonly id: string
  readonly name: string
  readonly service: string
  /** As the gateway names it; undefined while it does not run. */
  readonly address: string | undefined
  readonly startedAt: number
  readonly finishedAt: number
  readonly exitCode: number
}

async function containers(...only: string[]): Promise<Container[]> {
  const ids = await compose('ps', '--all', '--quiet', ...only)
  if (ids === '') return []
  // biome-ignore lint/suspicious/noExplicitAny: docker's own words
  const found: any[] = JSON.parse(await docker('inspect', ...ids.split('\n')))
  return found.map(({ Id, Name, Config, State, NetworkSettings }) => ({
    id: Id,
    name: Name.slice(1),
    service: Config.Labels['com.docker.compose.service'],
    address: NetworkSettings.Networks[`${PROJECT}_inside`]?.IPAddress || undefined,
    startedAt: Date.parse(State.StartedAt),
    finishedAt: Date.parse(State.FinishedAt),
    exitCode: State.ExitCode,
  }))
}

const logsOf = async ({ id }: Container) => {
  const { stdout, stderr } = await promisify(execFile)('docker', ['logs', id], { maxBuffer: 2 ** 28 })
  return `${stdout}${stderr}`
}

/** When the container's present run began to listen, by its own log. */
async function listeningAt(container: Container): Promise<number> {
  const line = (await logsOf(container)).split('\n').findLast((one) => one.includes('"msg":"listening"'))
  if (!line) throw new Error(`${container.name} does not listen`)
  return Date.parse(JSON.parse(line).time)
}

/** Follows the gateway's rotation: since when each address has been live, or not. */
function watchRotation() {
  const states = new Map<string, { live: boolean; since: number }>()
  let running = true
  const loop = (async () => {
    while (running) {
      const { body } = await client(url)('GET', '/health/ready').catch(() => ({ body: undefined }))
      // biome-ignore lint/suspicious/noExplicitAny: see the gateway's /health/ready
      const instances = Object.values<any>(body?.upstreams ?? {}).flatMap((upstream) => upstream.instances)
      const live = new Set<string>(instances.filter((one) => one.live).map((one) => new URL(one.url).hostname))
      if (body) {
        for (const address of new Set([...states.keys(), ...live])) {
          const now = live.has(address)
          if (states.get(address)?.live !== now) states.set(address, { live: now, since: Date.now() })
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  })()
  return {
    /** When the address turned live, or turned out of it; waits for that. */
    since: async (address: string | undefined, live: boolean) => {
      const state = await eventually(
        () => {
          const state = states.get(address ?? '')
          return state?.live === live && state
        },
        { what: `${address} is ${live ? '' : 'not '}in the rotation` },
      )
      return state.since
    },
    stop: async () => {
      running = false
      await loop
    },
  }
}
type Rotation = ReturnType<typeof watchRotation>

/** The container once it was started again and listens; undefined before. */
async function restartOf(before: Container): Promise<Container | undefined> {
  const now = (await containers(before.service)).find(({ id }) => id === before.id)
  return now && now.startedAt > before.startedAt && (await listeningAt(now)) > now.startedAt ? now : undefined
}

const readyMs = async (container: Container) => (await listeningAt(container)) - container.startedAt

/** A container that has just been started gets requests as soon as it is ready. */
async function assertJoins(t: Test, rotation: Rotation, container: Container) {
  t.comment(`${container.name}: ready after ${await readyMs(container)} ms, under load`)
  const listening = await listeningAt(container)
  const joinedMs = (await rotation.since(container.address, true)) - listening
  t.ok(joinedMs <= ROTATION_MS_MAX, `${container.name} is in the rotation within ${ROTATION_MS_MAX} ms: ${joinedMs}`)
}

async function assertSizes(t: Test) {
  const sizeOf = async (image: string) => Number(await docker('image', 'inspect', '--format', '{{.Size}}', image))
  // A build does not always leave its base among the images.
  const base = await sizeOf(BASE_IMAGE).catch(async () => {
    await docker('pull', '--quiet', BASE_IMAGE)
    return sizeOf(BASE_IMAGE)
  })
  for (const service of SERVICES) {
    const added = (await sizeOf(`${PROJECT}-${service}`)) - base
    const megabytes = `${(added / 1e6).toFixed(1)} MB beyond the base`
    t.ok(added > 0 && added <= IMAGE_BYTES_MAX, `${service} image: ${megabytes}`)
  }
}

/** How every container is confined. */
async function assertConfined(t: Test) {
  for (const { id, name, service } of await containers()) {
    const [{ HostConfig: host, Config: config }] = JSON.parse(await docker('inspect', id))
    t.match(host, { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'] }, name)
    t.ok(host.Memory > 0 && host.PidsLimit > 0, `${name} has limits`)
    t.equal(Object.keys(host.PortBindings ?? {}).length, service === 'gateway' ? 1 : 0, `${name}: published ports`)
    if (service !== 'nats') t.equal(config.User, '1000:1000', `${name} is not root`)
  }
}

/** Puts what the demo did into the claims, as its two users see it. */
async function claimDemo(output: string, claims: Claims) {
  for (const [, userId = ''] of output.matchAll(/X-User-Id: (\S+)/g)) {
    const api = client(url, userId)
    for (const { id, amount, description, status } of (await api('GET', '/orders')).body.items) {
      claims.orders.set(id, { userId, amount, description, end: status })
    }
    for (const { id, kind, amount, balanceAfter } of (await api('GET', '/accounts/me/transactions')).body.items) {
      if (kind !== 'debit') claims.moves.set(id, { userId, kind, amount, balanceAfter })
    }
  }
}

/** Which connections each instance of notifications-service has. */
async function connections(): Promise<number[]> {
  const ask = "fetch('http://127.0.0.1:3003/metrics').then((r) => r.text()).then(console.log)"
  const pages = (await containers('notifications-service')).map(({ id }) => docker('exec', id, 'node', '-e', ask))
  return (await Promise.all(pages)).map((page) => Number(page.match(/^websocket_connections(?:\{.*\})? (\d+)/m)?.[1]))
}

/** Every follower has a letter about every order of its user. */
const untilPushed = (claims: Claims, followers: readonly Follower[]) =>
  eventually(
    () => {
      const orders = [...claims.orders].map(([id, { userId }]) => ({ id, userId }))
      const missing = followers.flatMap(({ userId, letters }) => {
        const known = new Set(letters.map((letter) => letter.orderId))
        return orders.filter((order) => order.userId === userId && !known.has(order.id))
      })
      if (missing.length > 0) throw new Error(`${missing.length} pushes are missing, ${missing[0]?.id} for one`)
      return true
    },
    { what: 'a push about every order', deadlineMs: 60_000 },
  )

/** Copies the services' files out of the stopped containers. */
async function copyBooks(folder: string) {
  for (const part of services) {
    const [container] = await containers(`${part}-service`)
    if (!container) throw new Error(`there is no ${part}-service`)
    await docker('cp', `${container.id}:/data/.`, folder)
  }
}

t.setTimeout(30 * 60_000)
t.comment(`seed ${seed}, port ${port}`)
const folder = mkdtempSync(join(tmpdir(), 'compose-test-'))
const logsDir = join(folder, 'logs')
mkdirSync(logsDir)
const claims = newClaims()
const wrong: string[] = []
let runs = 0

/** Logs are gone with their containers. */
async function keepLogs() {
  runs += 1
  for (const one of await containers()) writeFileSync(join(logsDir, `${one.name}-${runs}.log`), await logsOf(one))
}

/** Everything stops of its own accord, in time. */
async function stopAll(t: Test) {
  await compose('stop')
  for (const { name, service, exitCode } of await containers()) {
    // Versions of nats-server differ in how a signal ends them.
    if (service !== 'nats') t.equal(exitCode, 0, `${name} stops by itself`)
  }
  await keepLogs()
}

async function up(...args: string[]) {
  await compose('up', '--detach', '--wait', '--wait-timeout', '120', '--no-build', ...args)
}

async function main(t: Test) {
  /** What follows a failure would only fail for the same reason. */
  const step = async (name: string, body: (t: Test) => Promise<void>) => {
    if (t.passing()) await t.test(name, body)
  }
  await step('the images', async (t) => {
    await compose('build', '--quiet')
    await assertSizes(t)
  })
  await step('up', async (t) => {
    await up()
    await assertConfined(t)
    t.equal((await containers('notifications-service')).length, 2, 'notifications-service in two replicas')
    for (const one of await containers(...SERVICES)) {
      t.comment(`${one.name}: ready after ${await readyMs(one)} ms, all starting together`)
    }
  })
  await step('the demo scenario', async (t) => {
    const demo = { cwd: root, env: { ...process.env, BASE_URL: url } }
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/demo.ts'], demo)
    t.match(stdout, /all \d+ steps as expected/)
    await claimDemo(stdout, claims)
  })

  if (!t.passing()) return
  const users = await fundedUsers(url, USERS, claims)
  let load: Load = startLoad({ t, url, seed, claims, users })
  const rotation = watchRotation()
  t.teardown(rotation.stop)
  await step('scaling', async (t) => {
    const before = new Set((await containers()).map(({ id }) => id))
    await up('--no-recreate', ...scale)
    const added = (await containers()).filter(({ id }) => !before.has(id))
    t.equal(added.length, 2, 'one more of each')
    for (const container of added) await assertJoins(t, rotation, container)
  })

  const followers = users.map((userId) => follow({ url, userId, onWrong: (sentence) => void wrong.push(sentence) }))
  t.teardown(() => Promise.all(followers.map((follower) => follower.stop())))
  await step('pushes over three instances', async (t) => {
    await eventually(() => followers.every(({ ready }) => ready), { what: 'every client is connected' })
    const spread = await connections()
    t.ok(spread.length === 3 && spread.every((count) => count > 0), `connections of each instance: ${spread}`)
    await untilPushed(claims, followers)
  })

  await step('killed containers', async (t) => {
    for (const service of ['notifications-service', 'orders-service']) {
      const [victim] = await containers(service)
      if (!victim) throw new Error(`there is no ${service}`)
      await docker('kill', victim.id)
      const goneAt = await rotation.since(victim.address, false)
      const [dead] = (await containers(service)).filter(({ id }) => id === victim.id)
      const leftMs = goneAt - (dead?.finishedAt ?? 0)
      t.ok(leftMs <= ROTATION_MS_MAX, `${victim.name} is out of the rotation within ${ROTATION_MS_MAX} ms: ${leftMs}`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    await up('--no-recreate', ...scale)
  })

  await step('a crashed process comes back by itself', async (t) => {
    const [victim] = await containers('payments-service')
    if (!victim) throw new Error('there is no payments-service')
    // Everything but the container's first process, which may not be killed from inside.
    await docker('exec', victim.id, 'bash', '-c', 'kill -9 -1').catch(() => undefined) // itself, too
    await assertJoins(t, rotation, await eventually(() => restartOf(victim), { what: 'it listens again' }))
  })

  await step('the broker loses everything', async (t) => {
    await compose('rm', '--stop', '--force', 'nats')
    await docker('volume', 'rm', `${PROJECT}_nats`)
    await up('--no-recreate', ...scale)
    await untilPushed(claims, followers)
    t.pass('and everything goes on')
  })

  await step('down and up again', async (t) => {
    await load.stop()
    t.strictSame(load.unexpected.slice(0, 5), [], `answers: ${JSON.stringify(load.counts)}`)
    await rotation.stop()
    await stopAll(t)
    await compose('down')
    t.strictSame(await containers(), [], 'nothing is left')
    await up(...scale)
    load = startLoad({ t, url, seed: seed + 1, claims, users })
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    await load.stop()
    t.strictSame(load.unexpected.slice(0, 5), [], `answers: ${JSON.stringify(load.counts)}`)
    await untilPushed(claims, followers)
    await Promise.all(followers.map((follower) => follower.stop()))
    t.strictSame(wrong.slice(0, 5), [], 'every letter was pushed once, in order')
  })

  await step('nothing is lost', async (t) => {
    // Those who are no followers are told nothing: the files tell when they are done, and those have to be at rest.
    for (let attempt = 1; ; attempt += 1) {
      await stopAll(t)
      const books = join(folder, `books-${attempt}`)
      mkdirSync(books)
      await copyBooks(books)
      const open = Object.values(unsettled(books)).reduce((sum, count) => sum + count)
      if (open > 0 && attempt < 3) {
        await up(...scale)
        continue
      }
      t.ok(claims.orders.size > 0, 'there is something to audit')
      t.strictSame(audit(books, claims).slice(0, 10), [], 'the books agree with what the clients were told')
      return
    }
  })
  await step('from start to ready', async (t) => {
    await up()
    for (const service of SERVICES) {
      const [before] = await containers(service)
      if (!before) throw new Error(`there is no ${service}`)
      await docker('restart', before.id)
      const restarted = await eventually(() => restartOf(before), { what: `${service} listens again` })
      const ms = await readyMs(restarted)
      t.ok(ms <= READY_MS_MAX, `${service} is ready within ${READY_MS_MAX} ms: ${ms}`)
    }
  })
  await keepLogs()
  t.strictSame(troubleIn({ logsDir }).slice(0, 10), [], 'no errors in the logs')
}

try {
  await removeAll()
  await t.test('the system in containers', main)
} finally {
  if (!t.passing()) await keepLogs().catch(() => {})
  await removeAll()
  await release()
  if (t.passing()) rmSync(folder, { recursive: true, force: true })
  else t.comment(`logs and books are kept in ${folder}`)
}
