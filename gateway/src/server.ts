/** The gateway process: configuration, upstreams, one port for everything. */
import { services } from '@checkout/contracts/services.ts'
import { runService } from '@checkout/http/lifecycle.ts'
import { Host, loadConfigOrExit, Port, serviceConfig } from '@checkout/kernel/config.ts'
import { createLogger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { Type } from 'typebox'
import { buildApp } from './app.ts'
import { createUpstream } from './upstream.ts'

const Urls = (port: number) =>
  Type.Array(Type.String({ pattern: '^http://[^/?#@\\s]+/?$' }), {
    default: [`http://127.0.0.1:${port}`],
    minItems: 1,
    description: 'http URLs without a path, comma-separated, such as http://127.0.0.1:3001,http://127.0.0.1:3011',
  })

const config = loadConfigOrExit(
  Type.Object({
    HOST: Host,
    LOG_LEVEL: serviceConfig.LOG_LEVEL,
    INSTANCE: serviceConfig.INSTANCE,
    ALLOWED_HOSTS: serviceConfig.ALLOWED_HOSTS,
    PORT: Port(8080),
    ORDERS_URLS: Urls(services.orders.port),
    PAYMENTS_URLS: Urls(services.payments.port),
    NOTIFICATIONS_URLS: Urls(services.notifications.port),
    WEB_URLS: Urls(3004),
  }),
)
const logger = createLogger({ name: 'gateway', instance: config.INSTANCE, level: config.LOG_LEVEL })
const platform = createPlatform()
const upstreams = {
  orders: createUpstream('orders', config.ORDERS_URLS, platform, logger),
  payments: createUpstream('payments', config.PAYMENTS_URLS, platform, logger),
  notifications: createUpstream('notifications', config.NOTIFICATIONS_URLS, platform, logger),
  web: createUpstream('web', config.WEB_URLS, platform, logger),
}
await Promise.all(Object.values(upstreams).map((upstream) => upstream.start()))

const app = await buildApp({
  upstreams,
  platform,
  logger,
  metrics: createMetrics(),
  allowedHosts: config.ALLOWED_HOSTS,
})
await runService({
  app,
  logger,
  listen: { host: config.HOST, port: config.PORT, variable: 'PORT', hostVariable: 'HOST' },
  closers: [{ name: 'upstreams', close: () => Promise.all(Object.values(upstreams).map((one) => one.close())) }],
})
