/** The web process. */
import { join } from 'node:path'
import { runService } from '@checkout/http/lifecycle.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/kernel/config.ts'
import { BAD_CONFIG } from '@checkout/kernel/exit-codes.ts'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { Type } from 'typebox'
import { buildApp, whatIsMissing } from './app.ts'

const { SERVICES_HOST, INSTANCE, LOG_LEVEL } = serviceConfig
const config = loadConfigOrExit(Type.Object({ SERVICES_HOST, INSTANCE, LOG_LEVEL, WEB_PORT: Port(3004) }))
const dist = join(import.meta.dirname, '../dist')
const missing = whatIsMissing(dist)
if (missing) {
  process.stderr.write(`${missing}\n`)
  process.exit(BAD_CONFIG) // starting again cannot help either
}
const logger = createLogger({ name: 'web', instance: config.INSTANCE, level: config.LOG_LEVEL })

await runService({
  app: await buildApp({ platform: createPlatform(), logger, metrics: createMetrics(), dist }),
  logger,
  listen: { host: config.SERVICES_HOST, port: config.WEB_PORT + 10 * (config.INSTANCE - 1), variable: 'WEB_PORT' },
  closers: [],
})
