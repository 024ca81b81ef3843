/**
 * `make run`: the whole system in the foreground. Ctrl-C or SIGTERM stops it in order; a second one kills it at once.
 * Variables: PORT, INSTANCES, NATS_URL, DATA_DIR, ORDERS_PORT, … (see README).
 */
import { relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { killAll } from './managed-process.ts'
import { readSettings } from './settings.ts'
import { root, type System, startSystem } from './system.ts'

const time = () => new Date().toTimeString().slice(0, 8)
const say = (line = '') => console.log(line === '' ? '' : `${time()}  ${line}`)

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
    await printReady(system)
    await stopped
  }
  say('stopped')
  return 0
}

/** Whether orders-service is connected to the broker; it gets a moment for that. */
async function brokerAnswers({ url }: System): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const status = (await (await fetch(`${url}/status/orders`)).json()) as { nats?: string }
    if (status.nats === 'ok') return true
    await delay(100)
  }
  return false
}

async function printReady(system: System) {
  const { nats } = system
  say()
  say(`Ready at ${system.url}`)
  say(`  web UI             ${system.url}/`)
  say(`  API documentation  ${system.url}/docs/`)
  say(`  logs               ${system.logsDir.startsWith(root) ? relative(root, system.logsDir) : system.logsDir}/`)
  say(`  broker             ${system.natsUrl}${nats ? '' : ' (not started here)'}`)
  if (!nats && !(await brokerAnswers(system))) {
    say('  The broker DOES NOT ANSWER: orders are taken and stay pending until it does.')
  }
  say('Ctrl-C stops it.')
  say()
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(`\n${error.message}`)
    process.exit(1)
  },
)
