/** The environment variables that the supervisor itself needs, validated; all others go to the services as they are. */
import { parts, services } from '@checkout/contracts/services.ts'
import { type Ports, portOf } from '@checkout/processes/ports.ts'

export interface Settings {
  /** The address that the gateway listens on. */
  readonly host: string
  /** The address that all others listen on: whoever reaches it says who he is, and reads `/admin`. */
  readonly servicesHost: string
  readonly ports: Ports
  readonly instances: number
  /** An existing broker; undefined = start one. */
  readonly natsUrl: string | undefined
  readonly dataDir: string
  /** 'postgres': start one. A string with `url`: use that. */
  readonly store: 'sqlite' | 'postgres' | { readonly url: string }
}

const INSTANCES_MAX = 50

/** Throws an error that names the variable and what it accepts. An empty variable counts as not set. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const ports: Ports = {
    nats: 4222,
    postgres: port(env, 'POSTGRES_PORT', 5433),
    gateway: port(env, 'PORT', 8080),
    orders: port(env, 'ORDERS_PORT', services.orders.port),
    payments: port(env, 'PAYMENTS_PORT', services.payments.port),
    notifications: port(env, 'NOTIFICATIONS_PORT', services.notifications.port),
    web: port(env, 'WEB_PORT', 3004),
  }
  const instances = integer(env, 'INSTANCES', 1, 1, INSTANCES_MAX)
  const natsUrl = env.NATS_URL || undefined
  for (const url of natsUrl?.split(',') ?? []) {
    if (!URL.canParse(url.trim())) throw new Error(`NATS_URL must look like nats://host:4222, got "${natsUrl}"`)
  }
  const settings = {
    host: env.HOST || '127.0.0.1',
    servicesHost: env.SERVICES_HOST || '127.0.0.1',
    ports,
    instances,
    natsUrl,
    dataDir: env.DATA_DIR || '.data',
    store: storeOf(env),
  }
  assertPortsDiffer(settings)
  return settings
}

function storeOf({ STORE: store, DATABASE_URL: url }: NodeJS.ProcessEnv): Settings['store'] {
  if (store && store !== 'sqlite' && store !== 'postgres') {
    throw new Error(`STORE must be sqlite or postgres, got "${store}"`)
  }
  if (url && store === 'sqlite') throw new Error('STORE=sqlite and DATABASE_URL are both set: unset one of them')
  if (url) return { url }
  return store === 'postgres' ? 'postgres' : 'sqlite'
}

/** @throws an error that names the variable and what it accepts */
export function integer(env: NodeJS.ProcessEnv, name: string, fallback: number, min: number, max: number): number {
  const text = env[name]
  if (!text) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}, got "${text}"`)
  }
  return value
}

const port = (env: NodeJS.ProcessEnv, name: string, fallback: number) => integer(env, name, fallback, 1, 65_535)

export const portVariables = {
  orders: 'ORDERS_PORT',
  payments: 'PAYMENTS_PORT',
  notifications: 'NOTIFICATIONS_PORT',
  web: 'WEB_PORT',
  gateway: 'PORT',
  postgres: 'POSTGRES_PORT',
} as const satisfies Record<Exclude<keyof Ports, 'nats'>, string>

function assertPortsDiffer({ ports, instances, natsUrl, store }: Settings) {
  const users = new Map<number, string>(natsUrl ? [] : [[ports.nats, 'nats-server']])
  const add = (number: number, user: string) => {
    const other = users.get(number)
    if (number > 65_535) throw new Error(`${user} would get port ${number}, above 65535: lower the port or INSTANCES`)
    if (other) throw new Error(`port ${number} is wanted by ${other} and by ${user}: give them different ports`)
    users.set(number, user)
  }
  if (store === 'postgres') add(ports.postgres, 'POSTGRES_PORT')
  add(ports.gateway, 'PORT')
  add(ports.web, 'WEB_PORT')
  for (const part of parts) {
    for (let k = 1; k <= instances; k++) add(portOf(ports[part], k), `${portVariables[part]} (instance ${k})`)
  }
}
