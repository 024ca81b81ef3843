/**
 * `make run`: the whole system in the foreground. Ctrl-C or SIGTERM stops it in order; a second one kills it at once.
 * Variables: PORT, INSTANCES, NATS_URL, STORE, DATABASE_URL, DATA_DIR, ORDERS_PORT, … (see README).
 */
import { relative, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parts } from '@checkout/contracts/services.ts'
import { createLogOutput } from '@checkout/kernel/log-output.ts'
import { killAll } from '@checkout/processes/managed-process.ts'
import { passwordsFile } from './own-broker.ts'
import { passwordFile } from './own-postgres.ts'
import { readSettings } from './settings.ts'
import { root, type System, startSystem } from './system.ts'

const time = () => new Date().toTimeString().slice(0, 8)
// Not console.log, which waits for ever for a terminal that is stopped or a pipe that nobody reads.
const output = createLogOutput(1, { minLength: 0, onRecovered: (lines) => say(`${lines} lines could not be written`) })
const errors = createLogOutput(2, { minLength: 0 })
const say = (line = '') => output.write(line === '' ? '\n' : `${time()}  ${line}\n`)

async function main(): Promise<number> {
  const settings = readSettings(process.env)
  const interrupt = new AbortController()
  let system: System | undefined
  let signals = 0
  const stopped = new Promise<void>((resolve, reject) => {
    const onSignal = (signal: NodeJS.Signals) => {
      signals++
      if (signals > 1) {
        say('killing everything')
        return killAll() // the stop that is under way then ends at once
      }
      say(signal === 'SIGINT' ? 'stopping (Ctrl-C again kills everything at once)' : 'stopping')
      interrupt.abort(new Error('interrupted'))
      system?.stop().then(resolve, reject)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  })

  try {
    system = await startSystem({ dataDir: settings.dataDir, log: say, signal: interrupt.signal })
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    say('stopped')
    return 0
  }
  if (interrupt.signal.aborted) await system.stop()
  else {
    await printReady(system, settings.dataDir)
    await stopped
  }
  say('stopped')
  return 0
}

const withoutPassword = (urls: string) => urls.replaceAll(/\/\/[^/\s,]*@/g, '//')

type Status = { nats?: string; natsProblem?: string | null }

async function statusOf(url: string, part: string): Promise<Status | undefined> {
  try {
    return (await (await fetch(`${url}/status/${part}`)).json()) as Status
  } catch {
    return undefined // it is being stopped already
  }
}

/** What the services say about the broker, for people, each thing once; they get a moment to connect. */
async function brokerTrouble({ url }: System): Promise<string[]> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const statuses = await Promise.all(parts.map((part) => statusOf(url, part)))
    const problems = new Set(
      statuses.map((status) => status?.natsProblem).filter((problem) => typeof problem === 'string'),
    )
    if (problems.size > 0) return [...problems].map((problem) => `The broker is not as it should be: ${problem}`)
    if (statuses.every((status) => status?.nats === 'ok')) return []
    await delay(100)
  }
  return ['The broker DOES NOT ANSWER: orders are taken and stay pending until it does.']
}

async function printReady(system: System, dataDir: string) {
  const { nats } = system
  const short = (path: string) => (path.startsWith(root) ? relative(root, path) : path)
  say()
  say(`Ready at ${system.url}`)
  say(`  web UI             ${system.url}/`)
  say(`  API documentation  ${system.url}/docs/`)
  say(`  logs               ${short(system.logsDir)}/`)
  const passwords = short(passwordsFile(resolve(root, dataDir)))
  const how = nats ? `: everything may user admin, password NATS_ADMIN_PASSWORD in ${passwords}` : ' (not started here)'
  say(`  broker             ${withoutPassword(system.natsUrl)}${how}`)
  if (system.databaseUrl !== undefined) {
    const password = system.postgres
      ? `: the password is in ${short(passwordFile(resolve(root, dataDir)))}`
      : ' (not started here)'
    say(`  database           ${withoutPassword(system.databaseUrl)}${password}`)
  }
  for (const line of await brokerTrouble(system)) say(`  ${line}`)
  say('Ctrl-C stops it.')
  say()
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    errors.write(`\n${error.message}\n`)
    process.exit(1)
  },
)
