/**
 * Starts the whole system as operating-system processes and keeps it running: nats-server, then n instances of each
 * of the three services and one web, then the gateway. `make run`, the system tests, bench and chaos all use it.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { REFUSED } from '@checkout/contracts/http.ts'
import { parts, type Part as ServicePart, services } from '@checkout/contracts/services.ts'
import { createGuard } from '@checkout/processes/guard.ts'
import { createManagedProcess, freshLog, type ManagedProcess } from '@checkout/processes/managed-process.ts'
import { findNatsServer } from '@checkout/processes/nats-server.ts'
import {
  assertPortsFree,
  type NeededPort,
  type Ports,
  portOf,
  reservePorts,
  untilListening,
} from '@checkout/processes/ports.ts'
import { watchDeaths } from './deaths.ts'
import { rotateLogs } from './log-rotation.ts'
import { type BrokerWatch, type OwnBroker, prepareOwnBroker, watchBroker } from './own-broker.ts'
import { prepareOwnPostgres } from './own-postgres.ts'
import { assertRoom } from './room.ts'
import { portVariables, readSettings } from './settings.ts'

export const root = resolve(import.meta.dirname, '..')

/**
 * Options of every Node process that is started. On a machine with much memory V8 lets the young generation grow to
 * 128 MiB per process, which buys nothing here: with 8 MiB semispaces a service stays near 200 MiB at full load.
 */
const NODE_OPTIONS = '--max-semi-space-size=8'

type Part = ServicePart | 'web' | 'gateway'
const folderOf = (part: Part): string => (part === 'web' || part === 'gateway' ? part : services[part].name)

const READY_WITHIN_MS = 60_000
/** A broker that is not there, or cannot be used just now, holds the start up no longer: the system runs without it. */
const BROKER_WITHIN_MS = 5_000
/** Shutdown, all in all below 10 s: services take at most 8 s each, so the gateway's time is not waited out. */
const GATEWAY_HEAD_START_MS = 1_000
const SERVICES_STOP_WITHIN_MS = 7_800
const NATS_STOP_WITHIN_MS = 1_000

export interface SystemOptions {
  /** SQLite files, `nats/` (the broker's store) and `logs/`. Relative to the repository root. */
  dataDir: string
  /** 'default': PORT, ORDERS_PORT, … of `env`, else 8080, 3001, …. 'free': ports that no other process has. */
  ports?: 'free' | 'default'
  /** Of each of the three services. */
  instances?: number
  /** Added to process.env for every process. NATS_URL here (not in process.env) means an existing broker, for all who need one. */
  env?: NodeJS.ProcessEnv
  /** The nats-server program; default: the first that is found. */
  natsServer?: string
  /** Progress, deaths and restarts, one line each. */
  log?: (line: string) => void
  /** Aborts a start that is under way, which then stops what it had started and throws. */
  signal?: AbortSignal
  /** What to run per part; default `node <folder>/build/server.js`, which scripts/bundle.ts makes. */
  commands?: Partial<Record<Part, readonly [string, ...string[]]>>
}

export interface System {
  /** The gateway's, without trailing slash. */
  readonly url: string
  readonly ports: Ports
  /** Without nats-server. The gateway is last. */
  readonly processes: readonly ManagedProcess[]
  /** undefined with an existing broker. */
  readonly nats: (ManagedProcess & { readonly storeDir: string }) | undefined
  /** With user and password: of the broker started here the administrator's, who may do everything. Not to be printed. */
  readonly natsUrl: string
  /** undefined with SQLite, or an existing database. */
  readonly postgres: ManagedProcess | undefined
  /** With user and password; undefined with SQLite. Not to be printed. */
  readonly databaseUrl: string | undefined
  readonly logsDir: string
  /** The instance k (from 1) of a service. Throws when there is none. */
  process(name: string, instance?: number): ManagedProcess
  /** Gateway first, then services, then nats-server; at most 10 s. Nothing is left running. */
  stop(): Promise<void>
}

/**
 * Resolves when every service and the gateway answer /health/ready with 200. Throws, with nothing left running, when a
 * port is in use, a variable is wrong, the data folder takes no files, no nats-server is found, or a process does not come up.
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  const log = options.log ?? (() => {})
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env }
  if (options.instances) env.INSTANCES = `${options.instances}`
  if (options.ports === 'free') delete env.NATS_URL
  if (options.env?.NATS_URL) env.NATS_URL = options.env.NATS_URL
  const settings = readSettings(env)
  const { host, servicesHost, instances } = settings
  const reserved = options.ports === 'free' ? await reservePorts() : undefined
  const ports: Ports = reserved ?? settings.ports
  const dataDir = resolve(root, options.dataDir)
  const logsDir = join(dataDir, 'logs')
  const urls = (part: Part, count: number) =>
    Array.from({ length: count }, (_, i) => `http://${callHost(servicesHost)}:${portOf(ports[part], i + 1)}`).join(',')

  if (!reserved) {
    const needed = neededPorts(ports, instances, { nats: !settings.natsUrl, postgres: settings.store === 'postgres' })
    await assertPortsFree(
      needed.filter(({ user }) => user !== 'gateway'),
      servicesHost,
      'SERVICES_HOST',
    )
    await assertPortsFree(
      needed.filter(({ user }) => user === 'gateway'),
      host,
      'HOST',
    )
  }
  assertRoom(dataDir)
  mkdirSync(logsDir, { recursive: true })
  const guard = createGuard()
  const starting = new AbortController()
  const onAbort = () => starting.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()

  const { HOST: _gatewaysOwn, NATS_URL: _notForAll, DATABASE_URL: _norThis, DATA_DIR: _ours, ...rest } = env
  const shared: NodeJS.ProcessEnv = {
    ...rest,
    SERVICES_HOST: servicesHost,
    ...(settings.store === 'sqlite' && { DATA_DIR: dataDir }),
    NODE_OPTIONS: [NODE_OPTIONS, env.NODE_OPTIONS].filter(Boolean).join(' '),
    ...Object.fromEntries(
      parts.flatMap((part) => [
        [`${part.toUpperCase()}_PORT`, `${ports[part]}`],
        [`${part.toUpperCase()}_URLS`, urls(part, instances)],
      ]),
    ),
    WEB_PORT: `${ports.web}`,
    WEB_URLS: urls('web', 1),
    PORT: `${ports.gateway}`,
  }
  const deaths = watchDeaths(root, log, (error) => starting.abort(error))
  const logFiles: string[] = []
  const create = (
    name: string,
    instance: number,
    port: number,
    command: readonly [string, ...string[]],
    own: NodeJS.ProcessEnv,
  ) => {
    const logFile = freshLog(logsDir, `${name}-${instance}`)
    logFiles.push(logFile)
    return createManagedProcess({
      name,
      instance,
      port,
      command,
      cwd: root,
      guard,
      env: { ...shared, ...own, INSTANCE: `${instance}` },
      logFile,
      onDeath: deaths.died,
      onStart: deaths.started,
    })
  }
  /** The process's own variables: what the others have no business with. */
  const ownOf = (part: Part): NodeJS.ProcessEnv => {
    if (part === 'gateway') return { HOST: host }
    if (part === 'web') return {}
    return {
      NATS_URL: settings.natsUrl ?? broker?.url(`${part}-service`),
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    }
  }
  const createPart = (part: Part, instance: number) =>
    create(
      folderOf(part),
      instance,
      portOf(ports[part], instance),
      options.commands?.[part] ?? [process.execPath, `${folderOf(part)}/build/server.js`],
      ownOf(part),
    )

  const backends: ManagedProcess[] = []
  let gateway: ManagedProcess | undefined
  let nats: System['nats']
  let broker: OwnBroker | undefined
  let postgres: ManagedProcess | undefined
  let databaseUrl = typeof settings.store === 'object' ? settings.store.url : undefined
  let watch: BrokerWatch | undefined
  const stopRotation = rotateLogs(logsDir, () => logFiles)
  let stopped: Promise<void> | undefined

  async function stopAll() {
    deaths.stopping()
    watch?.stop()
    stopRotation()
    await stopInOrder(gateway, backends, nats, postgres)
    await guard.close()
    await reserved?.release()
  }
  const stop = () => {
    stopped ??= stopAll()
    return stopped
  }

  try {
    if (!settings.natsUrl) {
      const program = options.natsServer ?? (await findNatsServer({ log }))
      broker = prepareOwnBroker(program, ports.nats, dataDir, env)
      const warning = broker.roomWarning()
      if (warning) log(warning)
      nats = withStore(create('nats-server', 1, ports.nats, broker.command, broker.env), broker.storeDir)
      nats.start()
      await untilListening(nats.port, starting.signal)
      watch = watchBroker(nats, { url: broker.url('admin'), storeDir: broker.storeDir, log })
    }
    if (settings.store === 'postgres') {
      const own = await prepareOwnPostgres(ports.postgres, dataDir, log)
      databaseUrl = own.url
      postgres = create('postgres', 1, ports.postgres, own.command, {})
      postgres.start()
      await untilListening(postgres.port, starting.signal)
    }
    for (const part of parts) {
      for (let k = 1; k <= instances; k++) backends.push(createPart(part, k))
    }
    backends.push(createPart('web', 1))
    for (const backend of backends) backend.start()
    const deadline = AbortSignal.any([starting.signal, AbortSignal.timeout(READY_WITHIN_MS)])
    await Promise.all(backends.map((p) => untilReady(p, callHost(servicesHost), deadline)))
    gateway = createPart('gateway', 1)
    gateway.start()
    const readers = backends.filter(({ name }) => name !== 'web')
    await Promise.all([
      untilReady(gateway, callHost(host), deadline),
      ...readers.map((reader) => untilOwnStreams(reader, callHost(servicesHost), deadline)),
    ])
    starting.signal.throwIfAborted()
  } catch (error) {
    await stop()
    throw starting.signal.aborted ? starting.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
  }
  deaths.allReady()

  const processes = [...backends, gateway]
  return {
    url: `http://${callHost(host) === '127.0.0.1' ? 'localhost' : callHost(host)}:${ports.gateway}`,
    ports,
    processes,
    nats,
    natsUrl: settings.natsUrl ?? broker?.url('admin') ?? '',
    postgres,
    databaseUrl,
    logsDir,
    process(name, instance = 1) {
      const found = processes.find((p) => p.name === name && p.instance === instance)
      if (!found) throw new Error(`there is no ${name} ${instance}`)
      return found
    },
    stop,
  }
}

/** The host to call for an address to listen on. */
const callHost = (host: string) =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host

const withStore = (managed: ManagedProcess, storeDir: string) =>
  Object.defineProperty(managed, 'storeDir', { value: storeDir, enumerable: true }) as ManagedProcess & {
    readonly storeDir: string
  }

function neededPorts(ports: Ports, instances: number, own: { nats: boolean; postgres: boolean }): NeededPort[] {
  const needed: NeededPort[] = []
  if (own.postgres) {
    const remedy = 'stop what listens there, or set POSTGRES_PORT to another port'
    needed.push({ port: ports.postgres, user: 'postgres', remedy })
  }
  if (own.nats) {
    const remedy =
      'stop what listens there, or set NATS_URL to a broker (with JetStream) or NATS account that no other system uses'
    needed.push({ port: ports.nats, user: 'nats-server', remedy })
  }
  for (const part of [...parts, 'web', 'gateway'] as const) {
    for (let k = 1; k <= (part === 'web' || part === 'gateway' ? 1 : instances); k++) {
      const remedy = `stop what listens there, or set ${portVariables[part]} to another port`
      needed.push({ port: portOf(ports[part], k), user: folderOf(part), remedy })
    }
  }
  return needed
}

async function untilReady(managed: ManagedProcess, host: string, signal: AbortSignal) {
  const url = `http://${host}:${managed.port}/health/ready`
  let last = 'no answer'
  while (true) {
    if (signal.aborted) throw new Error(`${managed.name} ${managed.instance} is not ready: ${url}: ${last}`)
    try {
      const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) })
      const body = await answer.text()
      if (answer.ok) return
      last = `${answer.status} ${body.slice(0, 300)}`
    } catch (error) {
      last = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message
    }
    await delay(50, undefined, { signal }).catch(() => {})
  }
}

/**
 * Resolves when the service reads from its durables: they say whose they are, so everything at the broker is its own. Or
 * when that was not to be found out in time: without a broker the system runs, too.
 * @throws when it refuses what is there
 */
async function untilOwnStreams({ name, instance, port }: ManagedProcess, host: string, signal: AbortSignal) {
  const part = name.replace('-service', '')
  const patience = performance.now() + BROKER_WITHIN_MS
  const text = async (path: string) => (await fetch(`http://${host}:${port}${path}`, { signal })).text()
  while (!signal.aborted) {
    try {
      const { natsProblem } = JSON.parse(await text(`/status/${part}`)) as { natsProblem?: string | null }
      if (natsProblem?.startsWith(REFUSED)) throw new BrokerRefused(`${name} ${instance} ${natsProblem}`)
      if (natsProblem && performance.now() > patience) return
      if (/^subscriptions_unbound 0$/m.test(await text('/metrics'))) return
    } catch (error) {
      if (error instanceof BrokerRefused) throw error
      // Restarting, or out of time.
    }
    await delay(50, undefined, { signal }).catch(() => {})
  }
}

/** The broker holds what is not this system's. */
class BrokerRefused extends Error {}

async function stopInOrder(
  gateway: ManagedProcess | undefined,
  backends: ManagedProcess[],
  nats: System['nats'],
  postgres: ManagedProcess | undefined,
) {
  for (const p of [gateway, ...backends, nats, postgres]) if (p) p.restart = false
  const gatewayGone = gateway?.terminate(GATEWAY_HEAD_START_MS + SERVICES_STOP_WITHIN_MS)
  const headStart = new AbortController()
  await Promise.race([gatewayGone, delay(GATEWAY_HEAD_START_MS, undefined, headStart).catch(() => {})])
  headStart.abort()
  await Promise.all([gatewayGone, ...backends.map((p) => p.terminate(SERVICES_STOP_WITHIN_MS))])
  postgres?.kill('SIGINT') // SIGTERM would wait for whoever else is connected
  await Promise.all([nats?.terminate(NATS_STOP_WITHIN_MS), postgres?.terminate(NATS_STOP_WITHIN_MS)])
}
