/** Configuration: environment variables, described by a TypeBox object, read once at start. */
import { currencyCodes } from '@checkout/contracts/currencies.ts'
import { type Static, type TObject, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BAD_CONFIG } from './exit-codes.ts'
import { SYSTEM_ID_PATTERN } from './system-id.ts'

/** An address to listen on; without one only this machine is served. */
export const Host = Type.String({ default: '127.0.0.1', minLength: 1, description: 'the address to listen on' })

/** Variables that every service reads; spread them into the service's own schema. */
export const serviceConfig = {
  /** Not HOST, which is the gateway's: whoever reaches a service says who he is, and reads `/admin`. */
  SERVICES_HOST: Host,
  INSTANCE: Type.Integer({ default: 1, minimum: 1, maximum: 100 }),
  /** Default '.data'; none beside a DATABASE_URL. */
  DATA_DIR: Type.Optional(Type.String({ minLength: 1, description: 'a folder for the SQLite file' })),
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://([^@/\\s]*@)?[^@/?#\\s]+/[^/?#\\s]+(\\?\\S*)?$',
      description:
        'a PostgreSQL URL such as postgres://user:password@host:5432/shop (several hosts: host1:5432,host2:5432)',
    }),
  ),
  NATS_URL: Type.String({
    default: 'nats://127.0.0.1:4222',
    pattern: '^(nats|tls)://[^\\s,]+(,(nats|tls)://[^\\s,]+)*$',
    description: 'a NATS URL such as nats://127.0.0.1:4222 (several: comma-separated)',
  }),
  CURRENCY: Type.String({
    default: 'RUB',
    pattern: `^(${currencyCodes.join('|')})$`,
    description: 'the ISO 4217 code of a currency with a minor unit, such as RUB',
  }),
  SYSTEM_ID: Type.Optional(
    Type.String({ pattern: SYSTEM_ID_PATTERN, description: 'up to 64 letters, digits, "-" or "_"' }),
  ),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
  ALLOWED_HOSTS: Type.Array(Type.String({ pattern: '^(\\*\\.)?[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$' }), {
    default: [],
    description: 'comma-separated host names without ports, such as shop.example,*.shop.example',
  }),
  RATE_LIMIT_PER_MINUTE: Type.Integer({ default: 0, minimum: 0, description: 'requests per user and minute, 0 = off' }),
  PROXIES_IN_FRONT: Type.Integer({ default: 0, minimum: 0, maximum: 10, description: 'proxies before the gateway' }),
}

/** A TCP port variable with its default. */
export const Port = (value: number) => Type.Integer({ default: value, minimum: 1, maximum: 65_535 })

/** Thrown by loadConfig: one line per bad variable, naming it. The message holds no secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`Bad configuration (environment variables):\n${problems.map((p) => `  ${p}`).join('\n')}`)
    this.problems = problems
  }
}

/**
 * Reads the variables that the schema names. Text is converted as the schema says: integers and numbers in decimal,
 * booleans true or false, arrays of strings comma-separated. An empty variable counts as unset; an unset one takes its
 * default. Variables not in the schema are dropped.
 *
 * @throws ConfigError listing every bad variable by name, with what is expected and what was given.
 */
export function loadConfig<T extends TObject>(schema: T, env: NodeJS.ProcessEnv = process.env): Static<T> {
  const config: Record<string, unknown> = {}
  const problems: string[] = []
  const required: readonly string[] = schema.required ?? []
  for (const [name, property] of Object.entries(schema.properties) as [string, SchemaFields][]) {
    const text = env[name]
    if (text === undefined || text === '') {
      if (property.default !== undefined) config[name] = property.default
      else if (required.includes(name)) problems.push(`${name} must be set to ${expected(property)}`)
      continue
    }
    const value = property.type === 'array' ? splitList(text) : fromText(property, text)
    if (Value.Check(property, value)) config[name] = value
    else problems.push(`${name} must be ${expected(property)}, but is ${shown(name, text)}`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return config as Static<T>
}

/** For server.ts: loadConfig, but a mistake is printed plainly to stderr and ends the process with code 78 (EX_CONFIG). */
export function loadConfigOrExit<T extends TObject>(schema: T, env: NodeJS.ProcessEnv = process.env): Static<T> {
  try {
    return loadConfig(schema, env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(BAD_CONFIG)
  }
}

/**
 * Text as the value of a schema's type; text that is no such value is returned as it is, for validation to refuse. An
 * integer has one way to be written: no "+5", "05", "5.0" or "1e1", and none that a double would round.
 */
export function fromText(schema: { type?: string }, text: string): unknown {
  if (schema.type === 'integer') return /^(0|-?[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(+text) ? +text : text
  if (schema.type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  if (schema.type === 'boolean') return text === 'true' || (text === 'false' ? false : text)
  return text
}

type SchemaFields = TSchema & {
  type?: string
  default?: unknown
  description?: string
  minimum?: number
  maximum?: number
  enum?: unknown[]
}

const splitList = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

function expected({ type, enum: values, minimum, maximum, description }: SchemaFields): string {
  if (values) return `one of ${values.join(', ')}`
  if (type === 'boolean') return 'true or false'
  if (type === 'integer' || type === 'number') {
    const range = [minimum !== undefined && `from ${minimum}`, maximum !== undefined && `to ${maximum}`].filter(Boolean)
    const kind = [type === 'integer' ? 'an integer' : 'a number', ...range].join(' ')
    return description ? `${kind} (${description})` : kind
  }
  if (description) return description
  return type === 'array' ? 'a comma-separated list' : 'text'
}

/** What was given, without secrets: they end up in terminals and logs. */
function shown(name: string, text: string): string {
  if (/SECRET|PASSWORD|TOKEN/.test(name)) return '(hidden)'
  return JSON.stringify(text.replaceAll(/\/\/[^/\s,]*@/g, '//***@'))
}
