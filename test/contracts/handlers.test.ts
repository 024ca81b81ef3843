/** The services handle what the topology sends them: no handler missing, none for what never comes. */
import type { ServiceName } from '@checkout/contracts/services.ts'
import { subscriptions } from '@checkout/contracts/topology.ts'
import { createTestPlatform } from '@checkout/testkit/platform.ts'
import t from 'tap'
import { createHandlers as notificationsHandlers } from '../../notifications-service/src/messages.ts'
import { handlers as ordersHandlers } from '../../orders-service/src/messages.ts'
import { createHandlers as paymentsHandlers } from '../../payments-service/src/messages.ts'

t.test('every subscription has its handler, and every handler its subscription', async (t) => {
  const terms = { platform: createTestPlatform(), currency: 'RUB', mailing: false }
  const handlers = {
    'orders-service': ordersHandlers,
    'payments-service': paymentsHandlers(terms),
    'notifications-service': notificationsHandlers(terms),
  } satisfies Record<ServiceName, object>
  for (const [service, table] of Object.entries(handlers)) {
    const subscribed = subscriptions.filter((s) => s.service === service).map(({ subject }) => subject)
    t.strictSame(Object.keys(table).sort(), subscribed.sort(), service)
  }
})
