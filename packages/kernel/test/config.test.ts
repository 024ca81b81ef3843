import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { Type } from 'typebox'
import { ConfigError, loadConfig, Port, serviceConfig } from '../src/config.ts'

const schema = Type.Object({
  ...serviceConfig,
  ORDERS_PORT: Port(3001),
  FAST: Type.Boolean({ default: false }),
  URLS: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
  API_SECRET: Type.Optional(Type.String({ pattern: '^[a-z]{8}$', description: '8 small letters' })),
})

t.test('defaults, and empty variables count as unset', async (t) => {
  t.strictSame(loadConfig(schema, { ORDERS_PORT: '', NATS_URL: '' }), {
    SERVICES_HOST: '127.0.0.1',
    INSTANCE: 1,
    NATS_URL: 'nats://127.0.0.1:4222',
    CURRENCY: 'RUB',
    LOG_LEVEL: 'info',
    ALLOWED_HOSTS: [],
    PROXIES_IN_FRONT: 0,
    RATE_LIMIT_PER_MINUTE: 0,
    ORDERS_PORT: 3001,
    FAST: false,
  })
})

t.test('text becomes what the schema says; other variables are dropped', async (t) => {
  const config = loadConfig(schema, {
    ORDERS_PORT: '4001',
    FAST: 'true',
    URLS: 'http://a:1, http://b:2,',
    LOG_LEVEL: 'debug',
    PATH: '/bin',
  })
  t.match(config, { ORDERS_PORT: 4001, FAST: true, URLS: ['http://a:1', 'http://b:2'], LOG_LEVEL: 'debug' })
  t.notOk('PATH' in config)
})

t.test('every bad variable is named, with what is expected and what was given', async (t) => {
  const env = {
    ORDERS_PORT: '70000',
    INSTANCE: '0x1',
    FAST: 'yes',
    LOG_LEVEL: 'loud',
    CURRENCY: 'rubles',
    API_SECRET: 'hunter2',
    NATS_URL: 'http://me:hunter2@broker:4222',
  }
  const error = (() => {
    try {
      loadConfig(schema, env)
    } catch (error) {
      return error
    }
  })()
  t.ok(error instanceof ConfigError)
  const { problems, message } = error as ConfigError
  t.strictSame(problems, [
    'INSTANCE must be an integer from 1 to 100, but is "0x1"',
    'NATS_URL must be a NATS URL such as nats://127.0.0.1:4222 (several: comma-separated), but is "http://***@broker:4222"',
    'CURRENCY must be the ISO 4217 code of a currency with a minor unit, such as RUB, but is "rubles"',
    'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, but is "loud"',
    'ORDERS_PORT must be an integer from 1 to 65535, but is "70000"',
    'FAST must be true or false, but is "yes"',
    'API_SECRET must be 8 small letters, but is (hidden)',
  ])
  t.notMatch(message, /hunter2/)
})

t.test('CURRENCY is one with a minor unit', async (t) => {
  for (const code of ['RUB', 'HUF', 'JPY', 'KWD', 'CLF']) t.equal(loadConfig(schema, { CURRENCY: code }).CURRENCY, code)
  for (const code of ['XXX', 'XTS', 'XAU', 'XDR', 'ABC', 'RUBX', ' RUB']) {
    t.throws(
      () => loadConfig(schema, { CURRENCY: code }),
      new RegExp(`CURRENCY must be the ISO 4217 code .*"${code}"$`),
    )
  }
})

t.test('a required variable without default', async (t) => {
  const required = Type.Object({ ORDERS_URLS: Type.Array(Type.String(), { description: 'http URLs' }) })
  t.throws(() => loadConfig(required, {}), /ORDERS_URLS must be set to http URLs$/)
})

t.test('loadConfigOrExit prints the message without a stack and exits 78', async (t) => {
  const script = `
    import { Type } from 'typebox'
    import { loadConfigOrExit, Port } from '${new URL('../src/config.ts', import.meta.url)}'
    loadConfigOrExit(Type.Object({ ORDERS_PORT: Port(3001) }))`
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script], {
    env: { ...process.env, ORDERS_PORT: 'abc' },
    cwd: import.meta.dirname,
  })
  await t.rejects(run, {
    code: 78,
    stderr:
      'Bad configuration (environment variables):\n  ORDERS_PORT must be an integer from 1 to 65535, but is "abc"\n',
  })
})
