/**
 * Finds a nats-server on this machine, or installs one into `.tools/`. With NATS_URL set no server of our own is needed:
 * callers then do not ask for one.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const PINNED_NATS_SERVER = '2.14.9'

const root = resolve(import.meta.dirname, '../..')
const tools = join(root, '.tools')
const target = join(tools, 'nats-server')

const CONNECT_TIMEOUT_MS = 5_000
const DOWNLOAD_TIMEOUT_MS = 120_000
const BUILD_TIMEOUT_MS = 300_000

interface Options {
  /** 'any' (the default) takes the first server found; 'pinned' only PINNED_NATS_SERVER. */
  version?: 'pinned' | 'any'
  log?: (line: string) => void
}

/** One way to get a server: resolves with what it found, throws why it could not. */
type Way = readonly [name: string, get: () => Promise<string>]

/**
 * The path of a nats-server that runs. Tries, in this order: PATH, `.tools/`, the release download with its checksum,
 * Debian's or Homebrew's package, `go install`. Throws an error that lists every way tried and why it failed.
 */
export async function findNatsServer({ version = 'any', log = () => {} }: Options = {}): Promise<string> {
  const pinned = version === 'pinned'
  const ways: Way[] = [
    ['nats-server on PATH', () => onPath(pinned)],
    ['.tools/nats-server', () => inTools(pinned)],
    [`download of release ${PINNED_NATS_SERVER}`, () => download(log)],
    ...(pinned ? [] : ([["Debian's package", () => debianPackage(log)]] satisfies Way[])),
    ...(pinned ? [] : ([["Homebrew's package", () => homebrewPackage(log)]] satisfies Way[])),
    [`go install of v${PINNED_NATS_SERVER}`, () => goInstall(log)],
  ]
  const failures: string[] = []
  for (const [name, get] of ways) {
    try {
      return await get()
    } catch (error) {
      failures.push(`  - ${name}: ${firstLine(error)}`)
    }
  }
  throw new Error(
    [
      pinned ? `nats-server ${PINNED_NATS_SERVER} was not found. Tried:` : 'No nats-server was found. Tried:',
      ...failures,
      'Install one (https://docs.nats.io/running-a-nats-service/introduction/installation) so that it is on PATH,',
      `put the program at ${target}, or set NATS_URL to a running server with JetStream.`,
    ].join('\n'),
  )
}

/** The version such as "2.9.10". Throws when the program does not run. */
export async function natsServerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeout: CONNECT_TIMEOUT_MS })
  const version = stdout.match(/v?(\d+\.\d+\.\d+\S*)/)?.[1]
  if (!version) throw new Error(`${path} --version printed no version`)
  return version
}

async function accept(path: string, pinned: boolean) {
  const version = await natsServerVersion(path)
  if (pinned && version !== PINNED_NATS_SERVER) throw new Error(`${path} is version ${version}`)
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 2 || (major === 2 && minor < 9)) throw new Error(`${path} is version ${version}, older than 2.9`)
  return path
}

async function onPath(pinned: boolean) {
  // Debian puts it into /usr/sbin, which is not on every user's PATH; Homebrew's folder is missing in bare shells.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin']
  const found = [...new Set(folders.filter(Boolean))].map((f) => join(f, 'nats-server')).filter((p) => existsSync(p))
  if (found.length === 0) throw new Error('not there')
  const refusals: string[] = []
  for (const path of found) {
    try {
      return await accept(path, pinned)
    } catch (error) {
      refusals.push(firstLine(error))
    }
  }
  throw new Error(refusals.join('; '))
}

async function inTools(pinned: boolean) {
  if (!existsSync(target)) throw new Error('not there')
  return accept(target, pinned)
}

/**
 * The official release. The archive must match the SHA256SUMS file of the same release: that catches a broken or
 * truncated download, not a forged release (`go install` checks against the Go checksum database instead).
 */
async function download(log: (line: string) => void) {
  const os = { linux: 'linux', darwin: 'darwin' }[process.platform as string]
  const arch = { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm7' }[process.arch as string]
  if (!os || !arch) throw new Error(`no release for ${process.platform} ${process.arch}`)
  const release = `https://github.com/nats-io/nats-server/releases/download/v${PINNED_NATS_SERVER}`
  const name = `nats-server-v${PINNED_NATS_SERVER}-${os}-${arch}`
  log(`nats-server: downloading ${release}/${name}.tar.gz`)
  const sums = (await fetchBytes(`${release}/SHA256SUMS`)).toString('utf8')
  const line = sums.split('\n').find((l) => l.trim().endsWith(`${name}.tar.gz`))
  const expected = line?.trim().split(/\s+/)[0]
  if (!expected || !/^[0-9a-f]{64}$/.test(expected)) throw new Error(`SHA256SUMS has no entry for ${name}.tar.gz`)
  const archive = await fetchBytes(`${release}/${name}.tar.gz`)
  const actual = createHash('sha256').update(archive).digest('hex')
  if (actual !== expected) throw new Error(`checksum of ${name}.tar.gz is ${actual}, expected ${expected}`)
  return inFolder(async (folder) => {
    await writeFile(join(folder, 'archive.tar.gz'), archive)
    await run('tar', ['-xzf', 'archive.tar.gz'], { cwd: folder })
    return join(folder, name, 'nats-server')
  })
}

async function fetchBytes(url: string): Promise<Buffer> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new Error('no answer within 5 s')), CONNECT_TIMEOUT_MS)
  const response = await fetch(url, { signal: abort.signal })
    .catch((error: Error) => {
      throw new Error(`${new URL(url).host} cannot be reached (${firstLine(error.cause ?? error)})`)
    })
    .finally(() => clearTimeout(timer))
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  const late = setTimeout(() => abort.abort(new Error('download took over 2 minutes')), DOWNLOAD_TIMEOUT_MS)
  return Buffer.from(await response.arrayBuffer().finally(() => clearTimeout(late)))
}

/** Downloads and unpacks the package instead of installing it: needs no root and starts no system service. */
async function debianPackage(log: (line: string) => void) {
  await run('apt-get', ['--version']).catch(() => {
    throw new Error('no apt-get here')
  })
  const timeouts = ['-o', 'Acquire::http::Timeout=5', '-o', 'Acquire::https::Timeout=5', '-o', 'Acquire::Retries=0']
  log("nats-server: downloading Debian's package")
  return inFolder(async (folder) => {
    const fetchPackage = () =>
      run('apt-get', [...timeouts, 'download', 'nats-server'], { cwd: folder, timeout: DOWNLOAD_TIMEOUT_MS })
    await fetchPackage().catch(async (error) => {
      if (process.getuid?.() !== 0) throw error
      await run('apt-get', [...timeouts, 'update'], { timeout: DOWNLOAD_TIMEOUT_MS }) // no package lists yet
      await fetchPackage()
    })
    const archive = (await readdir(folder)).find((f) => f.endsWith('.deb'))
    if (!archive) throw new Error('apt-get downloaded nothing')
    await run('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: folder })
    const program = ['usr/sbin', 'usr/bin'].map((f) => join(folder, 'unpacked', f, 'nats-server')).find(existsSync)
    if (!program) throw new Error('the package holds no nats-server')
    return program
  })
}

async function homebrewPackage(log: (line: string) => void) {
  await run('brew', ['--version']).catch(() => {
    throw new Error('no brew here')
  })
  log('nats-server: brew install nats-server')
  await run('brew', ['install', '--quiet', 'nats-server'], { timeout: BUILD_TIMEOUT_MS })
  const { stdout } = await run('brew', ['--prefix', 'nats-server'])
  return accept(join(stdout.trim(), 'bin', 'nats-server'), false)
}

/** Builds from source; the go command checks it against the Go checksum database (sum.golang.org). */
async function goInstall(log: (line: string) => void) {
  await run('go', ['version']).catch(() => {
    throw new Error('no go here')
  })
  log(`nats-server: go install github.com/nats-io/nats-server/v2@v${PINNED_NATS_SERVER} (may take a minute)`)
  return inFolder(async (folder) => {
    const env = { ...process.env, GOBIN: folder }
    await run('go', ['install', `github.com/nats-io/nats-server/v2@v${PINNED_NATS_SERVER}`], {
      env,
      cwd: folder,
      timeout: BUILD_TIMEOUT_MS,
    })
    return join(folder, 'nats-server')
  })
}

/** Lets `make` produce the program in a folder of its own, then moves it to `.tools/nats-server` in one step. */
async function inFolder(make: (folder: string) => Promise<string>) {
  await mkdir(tools, { recursive: true })
  const folder = await mkdtemp(join(tools, 'install-'))
  try {
    const program = await make(folder)
    await accept(program, false)
    await rename(program, target)
    return target
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const firstLine = (error: unknown) => {
  const { message, stderr } = error as Error & { stderr?: string }
  return (stderr?.trim() || message || String(error)).split('\n')[0] ?? ''
}
