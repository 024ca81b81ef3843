/**
 * Prints the path of a nats-server, which it finds on this machine or installs into `.tools/`.
 *
 *   node scripts/nats-server.ts            of any version (2.9 and later work)
 *   node scripts/nats-server.ts --pinned   of exactly the pinned version
 *
 * What it does goes to stderr, the path to stdout.
 */
import { findNatsServer } from '@checkout/processes/nats-server.ts'

try {
  const version = process.argv.includes('--pinned') ? 'pinned' : 'any'
  console.log(await findNatsServer({ version, log: (line) => console.error(line) }))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
