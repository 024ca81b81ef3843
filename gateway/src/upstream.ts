/**
 * One service behind the gateway: which instances it has, which of them are live, and whose turn it is.
 *
 * Two loops keep the list true: every second host names are resolved again (one name may stand for several containers),
 * every half second each instance is asked for /health/ready. A dead instance is therefore gone, and a new one in, well
 * within 2 s even when nobody calls; a refused connection or a socket that closes tells sooner.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { Client, Pool } from 'undici'

const RESOLVE_EVERY_MS = 1000
const PROBE_EVERY_MS = 500
/** Half a second of waiting for the turn and this: a process that hangs is dropped within 2 s too. */
const PROBE_TIMEOUT_MS = 1000
/** A process that is only busy is connected all the same, by its kernel: this long means that the address is gone. */
const PROBE_CONNECT_TIMEOUT_MS = 800
/** A service answers some 10,000 requests/s, so 64 in flight are enough to keep it busy; the rest wait here, cheaply. */
const CONNECTIONS_PER_INSTANCE = 64
export const CONNECT_TIMEOUT_MS = 2000
/** Below the 72 s for which the services keep an idle connection: the side that sends must be the one that closes. */
const KEEP_ALIVE_MS = 60_000

export type Instance = {
  /** Such as http://127.0.0.1:3001, always with an address, never with a name. */
  readonly origin: string
  readonly pool: Pool
  /** A connection of its own: a probe must not queue behind requests to a slow instance. */
  readonly prober: Client
  live: boolean
  /** False while nothing answers at its address, not even with a refusal: the container or pod is gone. */
  reachable: boolean
  probing: boolean
}

export type Upstream = {
  readonly name: string
  /** Resolves and probes once; after that live() is meaningful and both loops run. Never rejects. */
  start(): Promise<void>
  /**
   * The next instance in turn that is not in `tried`: a live one, else any that can be reached (all may be merely slow to
   * start). Undefined when there is none.
   */
  pick(tried?: ReadonlySet<Instance>): Instance | undefined
  /** Takes an instance that could not be connected out of the rotation until its next good probe. */
  drop(instance: Instance): void
  /** Asks an instance that behaved oddly now instead of at the next turn. */
  suspect(instance: Instance): void
  state(): { instances: Array<{ url: string; live: boolean }> }
  /** Stops the loops, waits for requests in flight and closes the connections. */
  close(): Promise<void>
}

const UNREACHABLE: ReadonlySet<string> = new Set(['UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void }

/** `urls`: http URLs without a path; each name in them stands for every address it resolves to. */
export function createUpstream(name: string, urls: readonly string[], log: Log): Upstream {
  const originsOf = new Map<string, string[]>()
  let instances: Instance[] = []
  let live: Instance[] = []
  let turn = 0
  let resolving = false
  let timers: NodeJS.Timeout[] = []
  let closed = false

  function mark(instance: Instance, isLive: boolean) {
    if (instance.live === isLive || closed) return
    instance.live = isLive
    live = instances.filter((one) => one.live)
    const fields = { upstream: name, url: instance.origin, live: live.length }
    if (isLive) log.info(fields, 'instance joined')
    else log.warn(fields, 'instance dropped')
  }

  async function probe(instance: Instance) {
    if (instance.probing || closed) return
    instance.probing = true
    const found = await ask(instance.prober)
    instance.probing = false
    if (found !== 'late') instance.reachable = found !== 'unreachable'
    mark(instance, found === 'ready')
  }

  async function resolve() {
    if (resolving) return
    resolving = true
    for (const url of urls) {
      const origins = await resolveOrigins(url)
      // A resolver that fails for a moment says nothing about the instances: keep them, the probes will tell.
      if (origins.length > 0) originsOf.set(url, origins)
    }
    resolving = false
    if (!closed) await replaceInstances(new Set([...originsOf.values()].flat()))
  }

  async function replaceInstances(origins: Set<string>) {
    const gone = instances.filter((one) => !origins.has(one.origin))
    const known = new Set(instances.map((one) => one.origin))
    const added = [...origins].filter((origin) => !known.has(origin)).map(openInstance)
    if (gone.length === 0 && added.length === 0) return
    instances = [...instances.filter((one) => origins.has(one.origin)), ...added]
    live = instances.filter((one) => one.live)
    for (const instance of gone) void closeInstance(instance)
    await Promise.all(added.map(probe))
  }

  function openInstance(origin: string): Instance {
    const pool = new Pool(origin, {
      connections: CONNECTIONS_PER_INSTANCE,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0, // proxy.ts has one deadline that covers waiting for a connection as well
      bodyTimeout: 10_000,
    })
    const prober = new Client(origin, {
      connect: { timeout: PROBE_CONNECT_TIMEOUT_MS },
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    })
    const instance: Instance = { origin, pool, prober, live: false, reachable: true, probing: false }
    // A process that dies closes its sockets at once; asking now instead of at the next turn saves its next requests.
    pool.on('disconnect', () => void probe(instance))
    return instance
  }

  function pick(tried?: ReadonlySet<Instance>) {
    for (const list of [live, instances]) {
      for (let i = 0; i < list.length; i++) {
        turn = (turn + 1) % list.length
        const instance = list[turn]
        if (instance?.reachable && !tried?.has(instance)) return instance
      }
    }
    return undefined
  }

  return {
    name,
    async start() {
      await resolve()
      timers = [
        setInterval(() => void resolve(), RESOLVE_EVERY_MS),
        setInterval(() => instances.forEach((one) => void probe(one)), PROBE_EVERY_MS),
      ]
    },
    pick,
    drop: (instance) => mark(instance, false),
    suspect: (instance) => void probe(instance),
    state: () => ({ instances: instances.map(({ origin, live }) => ({ url: origin, live })) }),
    async close() {
      closed = true
      timers.forEach(clearInterval)
      await Promise.all(instances.map(closeInstance))
    },
  }
}

async function closeInstance(instance: Instance) {
  await Promise.all([instance.prober.destroy(), instance.pool.close()])
}

/** Whether /health/ready answers 200 in time. Never rejects. */
async function ask(prober: Client): Promise<'ready' | 'unready' | 'late' | 'unreachable'> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
  try {
    const { statusCode, body } = await prober.request({ method: 'GET', path: '/health/ready', signal })
    await body.dump()
    return statusCode === 200 ? 'ready' : 'unready'
  } catch (error) {
    if (UNREACHABLE.has((error as NodeJS.ErrnoException).code ?? '')) return 'unreachable'
    return signal.aborted ? 'late' : 'unready'
  }
}

/** The origins, one for each address, that a URL stands for; empty when its name does not resolve now. */
async function resolveOrigins(url: string) {
  const { hostname, port, origin } = new URL(url)
  if (isIP(hostname) || hostname.startsWith('[')) return [origin]
  try {
    const addresses = await lookup(hostname, { all: true })
    return addresses.map(({ address, family }) => `http://${family === 6 ? `[${address}]` : address}:${port || 80}`)
  } catch {
    return []
  }
}
