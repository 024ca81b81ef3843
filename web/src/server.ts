/** The web process. */
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/service/config.ts'
import { runService } from '@checkout/service/lifecycle.ts'
import { createLogger } from '@checkout/service/logging.ts'
import { createMetrics } from '@checkout/service/metrics.ts'
import { Type } from 'typebox'
import { buildApp } from './app.ts'

const { HOST, INSTANCE, LOG_LEVEL } = serviceConfig
const config = loadConfigOrExit(Type.Object({ HOST, INSTANCE, LOG_LEVEL, WEB_PORT: Port(3004) }))
const logger = createLogger({ name: 'web', instance: config.INSTANCE, level: config.LOG_LEVEL })

await runService({
  app: await buildApp({ logger, metrics: createMetrics() }),
  logger,
  listen: { host: config.HOST, port: config.WEB_PORT + 10 * (config.INSTANCE - 1), variable: 'WEB_PORT' },
  closers: [],
})
