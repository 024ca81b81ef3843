/**
 * Preloaded into a service (`--import`): lets it start with the configuration that it is given up to the moment at which it would
 * listen, then prints one JSON line with what it asked for and ends it. Nothing listens, nothing is connected to.
 */

import dns from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

export interface Start {
  /** The environment variables that were read. */
  readonly read: readonly string[]
  readonly listen: { readonly host: string; readonly port: number }
  /** The host names that were looked up. */
  readonly hosts: readonly string[]
}

const read = new Set<string>()
const hosts = new Set<string>()

process.env = new Proxy(process.env, {
  get(env, name) {
    if (typeof name === 'string') read.add(name)
    return Reflect.get(env, name)
  },
})

dns.lookup = (async (host: string) => {
  hosts.add(host)
  throw Object.assign(new Error(`no ${host} here`), { code: 'ENOTFOUND' })
}) as typeof dns.lookup
syncBuiltinESMExports()

net.Server.prototype.listen = function listen(this: net.Server, options: Start['listen']): net.Server {
  const start: Start = { read: [...read], listen: { host: options.host, port: options.port }, hosts: [...hosts] }
  writeFileSync(1, `${JSON.stringify(start)}\n`)
  process.exit(0)
} as typeof net.Server.prototype.listen
