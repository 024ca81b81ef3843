/** What `make bench` can be told: flags, and BASE_URL or PORT for where the system is. */
import { parseArgs } from 'node:util'

export interface Options {
  baseUrl: string
  /** Length of one cell's load, in seconds. */
  seconds: number
  /** How often each cell is measured; the table shows medians. */
  rounds: number
  connections: number[]
  /** How many users share the load in the cells that are not about the one hot user. */
  users: number
  /** Soak instead of the table: this many minutes at the most connections; 0 = no soak. */
  minutes: number
  /** Soak: orders per second to aim at; 0 = as many as the connections get through. */
  rate: number
  /** Instead of the table: so many rounds of the system beside the bare pipeline, in turn; 0 = not. */
  beside: number
  /** Measure what this machine can do at most, too. */
  limits: boolean
  /** Measure pushes and idle WebSockets, too. */
  push: boolean
  json: boolean
}

export const usage = `make bench [ARGS='…'], against a running system (make run)
  --seconds=10          load per cell
  --rounds=1            measure every cell this often and show medians
  --connections=1,16,64
  --users=1000          users who share the load (the other half of the cells has one hot user)
  --beside=6            instead of the table: so many rounds beside a bare pipeline, in turn (bench/beside.ts)
  --quick               the same as --seconds=3
  --no-push             skip the time to a push and a toast, and the memory of idle WebSockets
  --no-limits           skip this machine's limits
  --minutes=20          soak: this long at the most connections, instead of the table; fails if something keeps growing
  --rate=N              soak: N orders/s instead of as many as it takes
  --json                the result as JSON on stdout
BASE_URL (http://localhost:8080, or PORT) says where the system is, NATS_URL and DATA_DIR where its broker and files are
(without NATS_URL the broker of make run, with the password in DATA_DIR).`

/** Reads the command line and the environment. Throws an Error naming the option that is wrong. */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): Options {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      connections: { type: 'string', default: '1,16,64' },
      users: { type: 'string', default: '1000' },
      minutes: { type: 'string', default: '0' },
      rate: { type: 'string', default: '0' },
      beside: { type: 'string', default: '0' },
      quick: { type: 'boolean', default: false },
      limits: { type: 'boolean', default: true },
      push: { type: 'boolean', default: true },
      json: { type: 'boolean', default: false },
    },
  })
  return {
    baseUrl: (env.BASE_URL || `http://localhost:${env.PORT || 8080}`).replace(/\/+$/, ''),
    seconds: number('seconds', values.seconds ?? (values.quick ? '3' : '10'), 1),
    rounds: number('rounds', values.rounds, 1),
    connections: values.connections.split(',').map((text) => number('connections', text, 1)),
    users: number('users', values.users, 1),
    minutes: number('minutes', values.minutes, 0),
    rate: number('rate', values.rate, 0),
    beside: number('beside', values.beside, 0),
    limits: values.limits,
    push: values.push,
    json: values.json,
  }
}

function number(name: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new Error(`--${name} must be a number from ${least}, not "${text}"`)
  }
  return value
}
