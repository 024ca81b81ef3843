/** Composition root of orders-service: the only file that wires and listens. */
import { services } from '@checkout/contracts/services.ts'
import { createHandling } from '@checkout/messaging/handling.ts'
import { streamMaxBytes } from '@checkout/messaging/jetstream.ts'
import { createMessaging } from '@checkout/messaging/messaging.ts'
import { createBase, runMessagingService } from '@checkout/messaging/service.ts'
import { loadConfigOrExit, Port, serviceConfig } from '@checkout/service/config.ts'
import { keptAnswers } from '@checkout/service/idempotency.ts'
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
const messaging = createMessaging<OrdersTx>({ ...base, handling, kept: [keptAnswers(store.read.idempotency)] })
const schedule = messaging.schedule(async () => (await store.read.orders.nextSweepAt()) !== undefined)
messaging.duty(sweeper({ ...base, messaging, schedule }))

await runMessagingService(base, {
  app: await buildApp({ ...base, handling, currency }),
  messaging,
  listen: { host: config.SERVICES_HOST, basePort: config.ORDERS_PORT, variable: 'ORDERS_PORT' },
})
