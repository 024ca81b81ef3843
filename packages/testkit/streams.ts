import type { JetStreamManager } from '@nats-io/jetstream'

/** All streams and durables of a broker, with everything in it that somebody's work with them would change, except in one stream. */
export async function everythingAt(jsm: JetStreamManager, except?: string): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { config, created, state } of jsm.streams.list()) {
    if (config.name === except) continue
    found.push({ config, created, state })
    for await (const consumer of jsm.consumers.list(config.name)) {
      const { name, created, config: own, delivered, ack_floor, num_pending, num_ack_pending, num_waiting } = consumer
      found.push({ name, created, own, delivered, ack_floor, num_pending, num_ack_pending, num_waiting })
    }
  }
  return found
}
