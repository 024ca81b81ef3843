/**
 * The nats-server that `make run` starts: its configuration with one user per service, its passwords, and a watch that starts it
 * again when its JetStream hangs.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseEnv } from 'node:util'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { serviceNames } from '@checkout/contracts/services.ts'
import { STREAM_BYTES, streams } from '@checkout/contracts/topology.ts'
import { parseUrl } from '@checkout/messaging/nats-url.ts'
import type { ManagedProcess } from '@checkout/processes/managed-process.ts'
import { connect } from '@nats-io/transport-node'
import { passwordVariable, userBlocks } from './nats-conf.ts'
import { assertRoom } from './room.ts'
import { integer } from './settings.ts'

/** Who may do everything: for people, `make bench` and the tests. */
const ADMIN = 'admin'
const ADMIN_VARIABLE = 'NATS_ADMIN_PASSWORD'
const PASSWORDS = 'nats-passwords.env'
const GIB = 1024 ** 3
/** Beside the streams: their indexes, and what `make bench` publishes to find the broker's limit. */
const STORE_EXTRA_BYTES = GIB

export interface OwnBroker {
  readonly command: readonly [string, ...string[]]
  /** The passwords that the configuration names. */
  readonly env: NodeJS.ProcessEnv
  readonly storeDir: string
  /** With the user and password of a service, or of the administrator. */
  url(user: ServiceName | typeof ADMIN): string
  /** One line when the disk has less room than the streams may take; undefined when it has enough. */
  roomWarning(): string | undefined
}

/**
 * Writes `nats-server.conf`, and with the first start `nats-passwords.env` (mode 0600), into the data folder, which must be
 * there.
 * @throws when STREAM_MAX_BYTES is wrong
 */
export function prepareOwnBroker(program: string, port: number, dataDir: string, env: NodeJS.ProcessEnv): OwnBroker {
  const storeDir = join(dataDir, 'nats')
  const conf = join(dataDir, 'nats-server.conf')
  const { default: usual, minimum } = STREAM_BYTES
  const streamBytes = streams.length * integer(env, 'STREAM_MAX_BYTES', usual, minimum, Number.MAX_SAFE_INTEGER)
  const passwords = keptPasswords(dataDir)
  writeFileSync(conf, configuration(port, storeDir, streamBytes + STORE_EXTRA_BYTES))
  return {
    command: [program, '--config', conf],
    env: passwords,
    storeDir,
    url: (user) => urlOf(user, passwords[user === ADMIN ? ADMIN_VARIABLE : passwordVariable(user)] ?? '', port),
    roomWarning() {
      const { bavail, bsize } = statfsSync(dataDir)
      const room = bavail * bsize + sizeOf(storeDir)
      if (room >= streamBytes) return undefined
      return `The disk of ${dataDir} has room for ${gib(room)}, the streams may take ${gib(streamBytes)}: make room, or lower STREAM_MAX_BYTES.`
    },
  }
}

/** The address, with the administrator's password, of the broker that `make run` starts; without one before its first start. */
export function adminUrl(dataDir: string, port: number): string {
  const password = readPasswords(dataDir)[ADMIN_VARIABLE]
  return password ? urlOf(ADMIN, password, port) : `nats://127.0.0.1:${port}`
}

/** Where the passwords are kept, for people. */
export const passwordsFile = (dataDir: string) => join(dataDir, PASSWORDS)

const urlOf = (user: string, password: string, port: number) => `nats://${user}:${password}@127.0.0.1:${port}`

function configuration(port: number, storeDir: string, storeBytes: number): string {
  // JSON's strings are the server's too.
  return `# Written by make run at every start; the passwords are in ${PASSWORDS}.
host: "127.0.0.1"
port: ${port}
jetstream {
  store_dir: ${JSON.stringify(storeDir)}
  # Without it the server would take three quarters of the disk's free space, and refuse a stream on a small disk.
  max_file_store: ${storeBytes}
}
authorization {
  users: [
${userBlocks()}    { user: "${ADMIN}", password: $${ADMIN_VARIABLE} }
  ]
}
`
}

/** The passwords by variable: those of the file, new ones for what it lacks. */
function keptPasswords(dataDir: string): Record<string, string> {
  const kept = readPasswords(dataDir)
  const names = [...serviceNames.map(passwordVariable), ADMIN_VARIABLE]
  // A letter first: the server reads 12345 as a number.
  const passwords = Object.fromEntries(names.map((name) => [name, kept[name] ?? `p${randomBytes(16).toString('hex')}`]))
  if (names.some((name) => kept[name] === undefined)) {
    const text = names.map((name) => `${name}=${passwords[name]}\n`).join('')
    const file = passwordsFile(dataDir)
    rmSync(`${file}.new`, { force: true })
    writeFileSync(`${file}.new`, `# Of the nats-server that make run starts.\n${text}`, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  return passwords
}

function readPasswords(dataDir: string): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync(passwordsFile(dataDir), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return {}
  }
}

function sizeOf(folder: string): number {
  let bytes = 0
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // no store yet
  }
  return bytes
}

const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`

const ASK_EVERY_MS = 1_000
const ANSWER_WITHIN_MS = 2_000
/** Silent for so long and so often in a row: it hangs, it is not merely slow. */
const SILENT_MS_MAX = 5_000
const SILENT_TIMES_MIN = 3
const RESTARTS_APART_MS_MIN = 10_000

export interface BrokerWatch {
  stop(): void
}

/**
 * Kills the broker, which its managed process then starts again, when it takes connections but JetStream has not answered for
 * five seconds: nats-server up to 2.9 does that for ever once its disk was full, and does not end on SIGTERM either. Not while there is
 * no room for its files, because it would hang again.
 */
export function watchBroker(
  server: Pick<ManagedProcess, 'name' | 'instance' | 'pid' | 'kill'>,
  { url, storeDir, log }: { url: string; storeDir: string; log: (line: string) => void },
): BrokerWatch {
  const stopped = new AbortController()
  const { signal } = stopped
  const say = (text: string) => log(`${server.name} ${server.instance}: ${text}`)
  let silent: { since: number; times: number } | undefined
  let restartedAt = Number.NEGATIVE_INFINITY
  let saidFull = false

  function round(answer: 'answers' | 'silent' | 'away') {
    if (answer !== 'silent') {
      silent = undefined
      saidFull = false
      return
    }
    const now = performance.now()
    silent ??= { since: now, times: 0 }
    silent.times += 1
    if (now - silent.since < SILENT_MS_MAX || silent.times < SILENT_TIMES_MIN) return
    if (now - restartedAt < RESTARTS_APART_MS_MIN) return
    try {
      assertRoom(storeDir)
    } catch (error) {
      if (!saidFull)
        say(`JetStream does not answer, and ${(error as Error).message}. It is started again once there is.`)
      saidFull = true
      return
    }
    say('JetStream has not answered for 5 s: it is started again')
    silent = undefined
    restartedAt = now
    server.kill('SIGKILL')
  }

  void (async () => {
    while (!signal.aborted) {
      if (server.pid !== undefined) round(await ask(url))
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  })()
  return { stop: () => stopped.abort() }
}

/** Over a connection of its own: one on which a request hangs answers nothing more. */
async function ask(url: string): Promise<'answers' | 'silent' | 'away'> {
  const options = { ...parseUrl(url), name: 'supervisor', reconnect: false, timeout: ANSWER_WITHIN_MS }
  const connection = await connect(options).catch(() => undefined)
  if (!connection) return 'away'
  try {
    // It looks into every stream, unlike a question about the account.
    const answer = await connection.request('$JS.API.STREAM.LIST', '{}', { timeout: ANSWER_WITHIN_MS })
    return answer.json<{ error?: unknown }>().error === undefined ? 'answers' : 'silent'
  } catch {
    return 'silent'
  } finally {
    void connection.close().catch(() => {})
  }
}
