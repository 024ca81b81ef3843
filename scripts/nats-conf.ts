/**
 * `node scripts/nats-conf.ts`: writes the users of deploy/nats/nats.conf anew, from the topology. What stands before them in
 * the file is written by hand and stays. A test fails while the file is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { natsPermissions } from '@checkout/contracts/nats-permissions.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import { serviceNames } from '@checkout/contracts/services.ts'

export const natsConf = join(import.meta.dirname, '../deploy/nats/nats.conf')

const MARK = '# What follows is generated: node scripts/nats-conf.ts\n'

/** The variable with a service's password, such as NATS_ORDERS_PASSWORD. */
export const passwordVariable = (service: ServiceName): string =>
  `NATS_${service.replace('-service', '').toUpperCase()}_PASSWORD`

/** The file with its users as the topology wants them. */
export function withUsers(conf: string): string {
  const [byHand = ''] = conf.split(MARK)
  return `${byHand}${MARK}authorization {\n  users: [\n${userBlocks()}  ]\n}\n`
}

/** One user per service with what it may do; the passwords are variables. */
export const userBlocks = (): string => serviceNames.map(userBlock).join('')

function userBlock(service: ServiceName): string {
  const { publish, subscribe } = natsPermissions(service)
  const allow = (subjects: readonly string[]) => subjects.map((subject) => `          "${subject}"\n`).join('')
  return `    {
      user: "${service}"
      password: $${passwordVariable(service)}
      permissions: {
        publish: { allow: [
${allow(publish)}        ] }
        subscribe: { allow: [
${allow(subscribe)}        ] }
      }
    }
`
}

if (import.meta.main) writeFileSync(natsConf, withUsers(readFileSync(natsConf, 'utf8')))
