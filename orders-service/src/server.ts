/** Composition root of orders-service: the only file that wires and listens. */
import { services } from '@checkout/contracts/services.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/kernel/config.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMeasuredMessaging } from '@checkout/service/messaging-metrics.ts'
import { createBase, runMessagingService } from '@checkout/service/service.ts'
import { keptAnswers } from '@checkout/store/idempotency.ts'
import { Type } from 'typebox'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { handlers } from './messages.ts'
import { openOrdersStore } from './store/index.ts'
import type { OrdersTx } from './store/port.ts'
import { sweeper } from './sweep-pending.ts'

const own = services.orders
const config = loadConfigOrExit(Type.Object({ ...serviceConfig, ...streamMaxBytes, ORDERS_PORT: Port(own.port) }))
const base = await createBase(own.name, packageJson.version, config, openOrdersStore)
const { store } = base
const { currency } = base.deployment
const handling = createHandling({ ...base, handlers })
const messaging = createMeasuredMessaging<OrdersTx>({ ...base, handling, kept: [keptAnswers(store.read.idempotency)] })
const schedule = messaging.schedule(async () => (await store.read.orders.nextSweepAt()) !== undefined)
messaging.duty(sweeper({ ...base, messaging, schedule }))

await runMessagingService(base, {
  app: await buildApp({ ...base, handling, currency }),
  messaging,
  listen: { host: config.SERVICES_HOST, basePort: config.ORDERS_PORT, variable: 'ORDERS_PORT' },
})
