/** What everything is given that works on a service's own stream: relay, room, watchdog, retention, catch-up. */
import type { StreamDefinition } from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { LeaseWrites, Write } from '@checkout/store/port.ts'
import type { Logger } from 'pino'
import type { Broker } from './broker.ts'
import type { Durables } from './durables.ts'
import type { OutboxReads, OutboxWrites } from './port.ts'

export interface OwnStream {
  readonly stream: StreamDefinition
  readonly outbox: OutboxReads
  readonly write: Write<{ outbox: OutboxWrites; lease: LeaseWrites }>
  readonly broker: Broker
  readonly durables: Durables
  readonly platform: Platform
  readonly logger: Logger
}
