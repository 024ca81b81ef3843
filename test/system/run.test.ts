/** `make run` as a person uses it: what it prints, Ctrl-C, restarts, mistakes, and its own violent end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reservePorts } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { startNats } from '@checkout/testkit/nats.ts'
import t, { type Test } from 'tap'
import { root } from '../../scripts/system.ts'
import { client } from '../support/system.ts'

/** What `make run` executes, in a process group of its own, as a terminal would start it. */
async function run(t: Test, env: NodeJS.ProcessEnv = {}) {
  const ports = await reservePorts()
  const dataDir = mkdtempSync(join(tmpdir(), 'run-'))
  const child = spawn(process.execPath, ['scripts/run.ts'], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DATA_DIR: dataDir,
      PORT: `${ports.gateway}`,
      ORDERS_PORT: `${ports.orders}`,
      PAYMENTS_PORT: `${ports.payments}`,
      NOTIFICATIONS_PORT: `${ports.notifications}`,
      WEB_PORT: `${ports.web}`,
      ...env,
    },
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await eventually(() => startedPids(output).every(isGone), { what: 'every process that was started is gone' })
    await ports.release()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { child, ports, dataDir, output: () => output, url: `http://localhost:${ports.gateway}` }
}

type Run = Awaited<ReturnType<typeof run>>

const startedPids = (output: string) =>
  [...output.matchAll(/started (?:again )?on port \d+, pid (\d+)/g)].map((m) => Number(m[1]))

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

async function untilReady({ output, child }: Run) {
  const ready = () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${output()}`)
    return /Ready at .*Ctrl-C stops it/s.test(output()) // the first and the last line of what it then says
  }
  await eventually(ready, { what: 'it prints that it is ready', deadlineMs: 60_000 })
}

/** The exit code; waits for the end. */
async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

t.test('with a broker that is there already', async (t) => {
  const nats = await startNats()
  t.teardown(nats.stop)

  await t.test('Ready, a restart, Ctrl-C', async (t) => {
    const shop = await run(t, { NATS_URL: nats.url })
    await untilReady(shop)
    const { url, ports, child } = shop
    t.match(shop.output(), `Ready at ${url}`)
    t.match(shop.output(), `${url}/docs/`)
    const api = client(url, 'runner')
    t.equal((await api('POST', '/orders', { amount: 1, description: 'before' })).status, 201)

    const pid = Number(/orders-service 1 +started on port \d+, pid (\d+)/.exec(shop.output())?.[1])
    const killedAt = performance.now()
    process.kill(pid, 'SIGKILL')
    const startedAgain = () => /orders-service 1 +started again on port/.test(shop.output())
    await eventually(startedAgain, { what: 'a killed service is started again' })
    t.comment(`started again ${((performance.now() - killedAt) / 1_000).toFixed(2)} s after SIGKILL`)
    t.match(shop.output(), /orders-service 1 +DIED \(signal SIGKILL\); starts again in (0\.\d|1\.\d|2\.0) s/)
    const order = async () => (await api('POST', '/orders', { amount: 1, description: 'after' })).status === 201
    await eventually(order, { what: 'orders are taken again' })

    const pids = startedPids(shop.output())
    t.equal(pids.length, 6, 'three services, web, gateway, and the restarted one')
    const stoppedAt = performance.now()
    process.kill(-(child.pid as number), 'SIGINT') // to the whole group, as a terminal sends it
    t.equal(await exitCode(child), 0, 'exit code 0')
    t.comment(`stopped in ${((performance.now() - stoppedAt) / 1_000).toFixed(2)} s`)
    t.match(shop.output(), /stopped\n$/)
    t.strictSame(
      pids.filter((one) => !isGone(one)),
      [],
      'no process is left',
    )
    await portsAreFree(t, [ports.gateway, ports.orders, ports.payments, ports.notifications, ports.web])
  })

  await t.test('a port in use', async (t) => {
    const other = createServer()
    const { orders, release } = await reservePorts()
    t.teardown(release)
    await new Promise<void>((resolve) => other.listen(orders, '127.0.0.1', resolve))
    t.teardown(() => other.close())
    const { child, output } = await run(t, { NATS_URL: nats.url, ORDERS_PORT: `${orders}` })
    t.equal(await exitCode(child), 1)
    t.match(output(), `port ${orders} (orders-service) is in use`)
    t.match(output(), 'set ORDERS_PORT to another port')
    t.strictSame(startedPids(output()), [], 'nothing was started')
  })

  await t.test('a wrong variable of a service', async (t) => {
    const { child, output } = await run(t, { NATS_URL: nats.url, CURRENCY: 'rub' })
    t.equal(await exitCode(child), 1)
    t.match(output(), /CURRENCY must be the ISO 4217 code of a currency with a minor unit, such as RUB, but is "rub"/)
    t.strictSame(
      startedPids(output()).filter((pid) => !isGone(pid)),
      [],
      'no process is left',
    )
  })
})

t.test('wrong variables of the supervisor', async (t) => {
  for (const [variable, value, expected] of [
    ['PORT', 'abc', /PORT must be a whole number from 1 to 65535, got "abc"/],
    ['PORT', '70000', /PORT must be a whole number from 1 to 65535, got "70000"/],
    ['INSTANCES', '0', /INSTANCES must be a whole number from 1 to \d+, got "0"/],
    ['NATS_URL', 'foo', /NATS_URL must look like nats:\/\/host:4222, got "foo"/],
  ] as const) {
    const { child, output } = await run(t, { [variable]: value })
    t.equal(await exitCode(child), 1, `${variable}=${value}`)
    t.match(output(), expected)
    t.notMatch(output(), /^\s+at /m, 'no stack trace')
  }
})

t.test('the supervisor is killed (SIGKILL): nothing is left', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'killed-'))
  const script = join(import.meta.dirname, '../support/supervisor.ts')
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  await eventually(() => output.endsWith('\n'), { what: 'the system is up', deadlineMs: 60_000 })
  const pids = JSON.parse(output) as number[]
  t.equal(pids.length, 6, 'three services, web, gateway, nats-server')
  t.strictSame(pids.filter(isGone), [], 'all of them run')
  const killedAt = performance.now()
  child.kill('SIGKILL')
  await eventually(() => pids.every(isGone), { what: 'every process is gone', deadlineMs: 60_000 })
  t.comment(`all gone ${((performance.now() - killedAt) / 1_000).toFixed(2)} s after the supervisor's SIGKILL`)
  rmSync(dataDir, { recursive: true, force: true })
})

async function portsAreFree(t: Test, ports: number[]) {
  for (const port of ports) {
    const server = createServer()
    const listens = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    t.ok(listens, `port ${port} is free again`)
    await new Promise<void>((resolve) => (listens ? server.close(() => resolve()) : resolve()))
  }
}
