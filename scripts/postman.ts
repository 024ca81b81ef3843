/**
 * `make postman`: runs the Postman collection with newman against a running system; exit code 1 when an assertion fails.
 * BASE_URL says where the system is; without it http://localhost:PORT (8080). Arguments are newman's, such as
 * `--folder '1. Scenario: orders, payments, letters'`.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const baseUrl = (process.env.BASE_URL || `http://localhost:${process.env.PORT || 8080}`).replace(/\/+$/, '')
/** Longer than the gateway waits for a service. */
const REQUEST_TIMEOUT_MS = 15_000

const folder = join(import.meta.dirname, '../postman')
const newman = createRequire(import.meta.url).resolve('newman/bin/newman.js')

try {
  await fetch(`${baseUrl}/health/live`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
} catch {
  console.error(`nothing answers at ${baseUrl}: start it with make run, or set BASE_URL`)
  process.exit(1)
}

const run = [
  ...['run', join(folder, 'shop.postman_collection.json')],
  ...['--environment', join(folder, 'shop.postman_environment.json')],
  ...['--env-var', `baseUrl=${baseUrl}`],
  ...['--timeout-request', `${REQUEST_TIMEOUT_MS}`],
  ...process.argv.slice(2),
]
// newman's own dependencies use what Node 24 warns of.
spawn(process.execPath, ['--no-deprecation', newman, ...run], { stdio: 'inherit' }).on('exit', (code) => {
  process.exitCode = code ?? 1
})
