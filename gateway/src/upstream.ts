/**
 * One service behind the gateway: which instances it has, which of them are live, and whose turn it is.
 *
 * Two loops keep the list true: every second host names are resolved again (one name may stand for several containers),
 * every half second each instance is asked for /health/ready. A dead instance is therefore gone, and a new one in, well
 * within 2 s even when nobody calls; a refused connection or a socket that closes tells sooner.
 *
 * Only what an instance does tells about it. A client's mistake is answered before anything is sent (headers.ts) and
 * costs no instance its turn.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Platform, Timer } from '@checkout/kernel/platform.ts'
import { Client } from 'undici'
import { createLane, type Failure, KEEP_ALIVE_MS, type Lane } from './lane.ts'

const RESOLVE_EVERY_MS = 1000
const PROBE_EVERY_MS = 500
/** Half a second of waiting for the turn and this: a process that hangs is dropped within 2 s too. */
const PROBE_TIMEOUT_MS = 1000
/** One late answer may be a pause. Asked again at once and late again, it hangs: what it was sent will not be answered. */
const SECOND_PROBE_TIMEOUT_MS = 800
/** A process that is only busy is connected all the same, by its kernel: this long means that the address is gone. */
const PROBE_CONNECT_TIMEOUT_MS = 800
/**
 * A service answers some 10,000 requests/s, so 64 in flight are enough to keep it busy; the rest wait here, cheaply. Reads
 * have their own 64: writes wait up to 5 s each while the store is locked, and reads do not.
 */
const CONNECTIONS_PER_LANE = 64
/** A write that waits here this long, and then 5 s in the service, still has its answer within proxy.ts's 10 s. */
const WAIT_MS = 4000

export type Instance = {
  /** Such as http://127.0.0.1:3001, always with an address, never with a name. */
  readonly origin: string
  /** GET and HEAD, and everything else. */
  readonly lanes: { readonly reads: Lane; readonly writes: Lane }
  /** Called when the instance turns silent, by whoever waits for it beside the lanes. */
  readonly onSilent: Set<() => void>
  /** A connection of its own: a probe must not queue behind requests to a slow instance. */
  readonly prober: Client
  isProberConnected: boolean
  /**
   * `live`: ready. `doubtful`: refuses, is not ready or was late; asked when there is no live one. `silent`: takes connections and
   * answers nothing. `gone`: nothing answers at its address, not even with a refusal: the container or pod is gone.
   */
  standing: 'live' | 'doubtful' | 'silent' | 'gone'
  probing: boolean
}

export type Upstream = {
  readonly name: string
  /** Resolves and probes once; after that live() is meaningful and both loops run. Never rejects. */
  start(): Promise<void>
  /**
   * The next instance in turn that is not in `tried`: a live one, with a free connection of the kind if there is one; else a
   * doubtful one (all may be merely slow to start). Undefined when there is none: silent and gone ones are not asked.
   */
  pick(kind: keyof Instance['lanes'], tried?: ReadonlySet<Instance>): Instance | undefined
  /** Whether some instance takes connections and answers nothing. */
  isSilent(): boolean
  /** Takes an instance that could not be connected out of the rotation until its next good probe. */
  drop(instance: Instance): void
  /** Asks an instance that behaved oddly now instead of at the next turn. */
  suspect(instance: Instance): void
  state(): { instances: Array<{ url: string; live: boolean }> }
  /** Stops the loops, waits for requests in flight and closes the connections. */
  close(): Promise<void>
}

const UNREACHABLE: ReadonlySet<string> = new Set(['UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

const STANDINGS = { ready: 'live', unready: 'doubtful', late: 'silent', unreachable: 'gone' } as const

type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void }

/** `urls`: http URLs without a path; each name in them stands for every address it resolves to. */
export function createUpstream(name: string, urls: readonly string[], platform: Platform, log: Log): Upstream {
  const originsOf = new Map<string, string[]>()
  let instances: Instance[] = []
  let live: Instance[] = []
  let turn = 0
  let resolving = false
  let timers: Timer[] = []
  let closed = false

  function mark(instance: Instance, standing: Instance['standing']) {
    if (instance.standing === standing || closed) return
    const [was, is] = [instance.standing === 'live', standing === 'live']
    instance.standing = standing
    if (was === is) return
    live = instances.filter((one) => one.standing === 'live')
    const fields = { upstream: name, url: instance.origin, live: live.length }
    if (is) log.info(fields, 'instance joined')
    else log.warn(fields, 'instance dropped')
  }

  async function probe(instance: Instance) {
    if (instance.probing || closed) return
    instance.probing = true
    let found = await ask(instance, PROBE_TIMEOUT_MS, platform)
    const late = found === 'late' && instance.standing !== 'silent'
    if (late) {
      mark(instance, 'doubtful')
      found = await ask(instance, SECOND_PROBE_TIMEOUT_MS, platform)
    }
    instance.probing = false
    mark(instance, STANDINGS[found])
    if (late && (found === 'late' || found === 'unreachable')) giveUp(instance, found === 'late' ? 'silent' : 'broken')
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
    live = instances.filter((one) => one.standing === 'live')
    for (const instance of gone) void closeInstance(instance)
    await Promise.all(added.map(probe))
  }

  function openInstance(origin: string): Instance {
    const prober = new Client(origin, {
      connect: { timeout: PROBE_CONNECT_TIMEOUT_MS },
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    })
    // A process that dies closes its sockets at once; asking now instead of at the next turn saves its next requests.
    const openLane = () => createLane(origin, CONNECTIONS_PER_LANE, WAIT_MS, platform, () => void probe(instance))
    const lanes = { reads: openLane(), writes: openLane() }
    const instance: Instance = {
      origin,
      lanes,
      onSilent: new Set(),
      prober,
      isProberConnected: false,
      standing: 'doubtful',
      probing: false,
    }
    prober.on('connect', () => (instance.isProberConnected = true))
    prober.on('disconnect', () => (instance.isProberConnected = false))
    return instance
  }

  function pick(kind: keyof Instance['lanes'], tried?: ReadonlySet<Instance>) {
    return next(live, 'live', tried, kind) ?? next(live, 'live', tried) ?? next(instances, 'doubtful', tried)
  }

  /** The next one in turn of that standing; with `kind`, one with a free connection of that kind. */
  function next(
    list: readonly Instance[],
    standing: Instance['standing'],
    tried?: ReadonlySet<Instance>,
    kind?: keyof Instance['lanes'],
  ) {
    for (let i = 0; i < list.length; i++) {
      turn = (turn + 1) % list.length
      const instance = list[turn]
      if (instance?.standing !== standing || tried?.has(instance)) continue
      if (kind === undefined || instance.lanes[kind].free()) return instance
    }
    return undefined
  }

  return {
    name,
    async start() {
      await resolve()
      timers = [
        platform.setInterval(() => void resolve(), RESOLVE_EVERY_MS),
        platform.setInterval(() => instances.forEach((one) => void probe(one)), PROBE_EVERY_MS),
      ]
    },
    pick,
    isSilent: () => instances.some(({ standing }) => standing === 'silent'),
    drop(instance) {
      if (instance.standing === 'live') mark(instance, 'doubtful')
    },
    suspect: (instance) => void probe(instance),
    state: () => ({ instances: instances.map((one) => ({ url: one.origin, live: one.standing === 'live' })) }),
    async close() {
      closed = true
      timers.forEach(platform.clearTimeout)
      await Promise.all(instances.map(closeInstance))
    },
  }
}

async function closeInstance({ prober, lanes }: Instance) {
  await Promise.all([prober.destroy(), lanes.reads.close(), lanes.writes.close()])
}

/** Whoever waits for the instance is told, so that each goes on elsewhere or is answered. */
function giveUp({ lanes, onSilent }: Instance, failure: Failure) {
  lanes.reads.giveUp(failure)
  lanes.writes.giveUp(failure)
  for (const tell of onSilent) tell()
}

/** Whether /health/ready answers 200 in time. Never rejects. */
async function ask(
  instance: Instance,
  timeoutMs: number,
  { setTimeout, clearTimeout, setImmediate }: Platform,
): Promise<keyof typeof STANDINGS> {
  const timeout = new AbortController()
  const { signal } = timeout
  // Two turns of the event loop later: when it was the gateway that hung, the answer may be here already.
  const timer = setTimeout(() => setImmediate(() => setImmediate(onTimeout)), timeoutMs)
  const onTimeout = () => timeout.abort(instance.isProberConnected ? 'late' : 'unreachable')
  try {
    const { statusCode, body } = await instance.prober.request({ method: 'GET', path: '/health/ready', signal })
    await body.dump()
    return statusCode === 200 ? 'ready' : 'unready'
  } catch (error) {
    if (signal.aborted) return signal.reason
    return UNREACHABLE.has((error as NodeJS.ErrnoException).code ?? '') ? 'unreachable' : 'unready'
  } finally {
    clearTimeout(timer)
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
