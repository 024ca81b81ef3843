/** What the services that take part in the messaging have in common: their base, their app, their run from start to end. */

import { ServiceStatus } from '@checkout/contracts/http.ts'
import { inboxPrefix } from '@checkout/contracts/nats-permissions.ts'
import type { Part, ServiceName } from '@checkout/contracts/services.ts'
import type { App } from '@checkout/http/app.ts'
import type { DocsOptions } from '@checkout/http/docs.ts'
import { buildHttp } from '@checkout/http/http.ts'
import { type Closer, runService } from '@checkout/http/lifecycle.ts'
import { createLogger, type Logger } from '@checkout/kernel/logging.ts'
import { createMetrics } from '@checkout/kernel/metrics.ts'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import type { Handling } from '@checkout/messaging/handling.ts'
import { createJetStreamBroker, type JetStreamBroker } from '@checkout/messaging/jetstream.ts'
import type { Messaging } from '@checkout/messaging/messaging.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import { type Deployment, requireDatabase, requireDeployment, requireOpened } from '@checkout/store/deployment.ts'
import type { DeploymentWrites, Store } from '@checkout/store/port.ts'
import type { StoreOptions } from '@checkout/store/store.ts'
import type { Registry } from 'prom-client'
import type { TSchema } from 'typebox'
import { deadLetterSchemas, registerDeadLetters } from './dead-letter-routes.ts'
import { registerStatus } from './status.ts'

/** What the outside world is to a service: replaced in tests and simulations, never asked for elsewhere. */
export interface ServiceBase<S> {
  readonly service: ServiceName
  readonly instance: number
  readonly version: string
  readonly platform: Platform
  readonly logger: Logger
  readonly metrics: Registry
  readonly store: S
  readonly deployment: Deployment
  readonly broker: JetStreamBroker
  readonly rateLimitPerMinute: number
  readonly proxiesInFront: number
  readonly allowedHosts: readonly string[]
}

export interface BaseConfig {
  INSTANCE: number
  DATA_DIR?: string
  DATABASE_URL?: string
  SYSTEM_ID?: string
  CURRENCY: string
  LOG_LEVEL: string
  NATS_URL: string
  STREAM_MAX_BYTES: number
  RATE_LIMIT_PER_MINUTE: number
  PROXIES_IN_FRONT: number
  ALLOWED_HOSTS: readonly string[]
}

/** Opens the store; a file that is not for this deployment ends the process (see requireDeployment). */
export async function createBase<Tx extends MessagingTx & { deployment: DeploymentWrites }, R extends MessagingReads>(
  service: ServiceName,
  version: string,
  config: BaseConfig,
  open: (options: StoreOptions) => Store<Tx, R>,
): Promise<ServiceBase<Store<Tx, R>>> {
  const instance = config.INSTANCE
  const logger = createLogger({ name: service, instance, level: config.LOG_LEVEL })
  const platform = createPlatform()
  const store = open({ ...requireDatabase(config), platform })
  await requireOpened(store)
  const deployment = await requireDeployment(store, config, platform)
  return {
    service,
    instance,
    version,
    platform,
    logger,
    metrics: createMetrics(),
    store,
    deployment,
    broker: createJetStreamBroker({
      url: config.NATS_URL,
      name: `${service}-${instance}`,
      inboxPrefix: inboxPrefix(service),
      streamMaxBytes: config.STREAM_MAX_BYTES,
      platform,
      deployment,
      claim: { service, store },
      logger,
    }),
    rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
    proxiesInFront: config.PROXIES_IN_FRONT,
    allowedHosts: config.ALLOWED_HOSTS,
  }
}

/** What every service's app is built from, beside what its own routes need. */
export interface ServiceAppDeps {
  readonly broker: Pick<Broker, 'connected' | 'problem'>
  readonly deployment: Deployment
  readonly platform: Platform
  readonly logger: Logger
  readonly metrics: Registry
  readonly instance: number
  readonly version: string
  readonly rateLimitPerMinute: number
  readonly proxiesInFront?: number
  readonly allowedHosts?: readonly string[]
}

/** The app with what every service answers beside its own routes: documentation, health, metrics, status, dead letters. */
export async function buildServiceApp<Tx extends MessagingTx>(
  deps: ServiceAppDeps & { store: Store<Tx, MessagingReads>; handling: Handling<Tx> },
  own: {
    part: Part
    schemas: readonly TSchema[]
    docs: Pick<DocsOptions, 'description'>
  },
): Promise<App> {
  const {
    store,
    broker,
    platform,
    logger,
    metrics,
    version,
    rateLimitPerMinute,
    proxiesInFront = 0,
    allowedHosts = [],
  } = deps
  const app = await buildHttp({
    platform,
    logger,
    metrics,
    rateLimits: { perMinute: rateLimitPerMinute, proxiesInFront },
    allowedHosts,
    schemas: [...own.schemas, ...deadLetterSchemas, ServiceStatus],
    docs: { title: `${own.part}-service`, version, ...own.docs },
    health: { store: store.usable, nats: () => broker.connected && !broker.problem },
  })
  registerStatus(app, { ...deps, part: own.part })
  registerDeadLetters(app, { store, handling: deps.handling })
  return app
}

/**
 * Runs the service until a signal ends it. HTTP listens before NATS connects: requests are taken without a broker.
 * @param closers run after the messaging has stopped and before the broker and the store close
 */
export async function runMessagingService(
  base: ServiceBase<{ close(): Promise<void> }>,
  own: {
    app: App
    messaging: Messaging
    listen: { host: string; basePort: number; variable: string }
    closers?: readonly Closer[]
  },
): Promise<void> {
  const { app, messaging, listen } = own
  await runService({
    app,
    logger: base.logger,
    listen: { host: listen.host, port: listen.basePort + 10 * (base.instance - 1), variable: listen.variable },
    closers: [
      { name: 'messaging', close: messaging.stop },
      ...(own.closers ?? []),
      { name: 'broker', close: base.broker.close },
      { name: 'store', close: base.store.close },
    ],
  })
  messaging.start()
  await base.broker.connect()
}
