/** A bare NATS connection: what an operator or a stranger can do to the streams. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { Stage } from './life.ts'

export interface Raw {
  readonly nc: NatsConnection
  readonly jsm: JetStreamManager
  /** Publishes with a message id of its own; resolves when it is stored. */
  publish(subject: string, payload: string, messageId: string): Promise<void>
  /** The message ids in a stream, in order. */
  messageIds(stream: string): Promise<string[]>
  lastSeq(stream: string): Promise<number>
}

export async function connectRaw({ nats, atEnd }: Stage): Promise<Raw> {
  const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  atEnd(() => nc.close())
  const jsm = await jetstreamManager(nc)
  const raw: Raw = {
    nc,
    jsm,
    async publish(subject, payload, messageId) {
      const h = headers()
      h.set('Nats-Msg-Id', messageId)
      const answer = (await nc.request(subject, payload, { headers: h, timeout: 5_000 })).json<{ error?: unknown }>()
      if (answer.error) throw new Error(JSON.stringify(answer.error))
    },
    async messageIds(stream) {
      const { state } = await jsm.streams.info(stream)
      const ids: string[] = []
      for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
        ids.push((await jsm.streams.getMessage(stream, { seq }))?.header.get('Nats-Msg-Id') ?? '')
      }
      return ids
    },
    lastSeq: async (stream) => (await jsm.streams.info(stream)).state.last_seq,
  }
  return raw
}
