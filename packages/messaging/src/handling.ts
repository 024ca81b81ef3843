/**
 * The one way from an event to its effect, whether it comes from the stream, from the parked messages, or from a person who
 * replays a dead letter: decoded, handled in one transaction, announced within the process.
 */
import type { AnyEvent, CloudEvent, EventType } from '@checkout/contracts/events.ts'
import type { ServiceName } from '@checkout/contracts/services.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Deployment } from '@checkout/store/deployment.ts'
import type { Work } from '@checkout/store/port.ts'
import type { Delivery } from './broker.ts'
import { decodeOwn, Poison } from './decode.ts'

/** Where a message stood, for the journey of an order. */
export interface Arrival {
  /** 0 when it did not come from the stream but was replayed by hand from the dead letters. */
  readonly streamSeq: number
  readonly deliveries: number
  readonly receivedAt: number
}

/** The effect of an event, in one transaction with the inbox claim. Throws when it cannot be done. */
export type Handler<Tx, T extends EventType> = (tx: Tx, event: CloudEvent<T>, arrival: Arrival) => Promise<void>
export type Handlers<Tx> = { readonly [T in EventType]?: Handler<Tx, T> }

type Message = Pick<Delivery, 'data' | 'subject' | 'headers'>

export interface Handling<Tx> {
  /**
   * Runs the event's handler in one transaction with `claim`, which says whether it is still to be done. Returns whether it
   * was done.
   * @throws Poison; what the handler or `claim` throws; the store's trouble. Nothing is stored then.
   */
  readonly handle: (
    message: Message,
    at: Omit<Arrival, 'receivedAt'>,
    claim: (tx: Tx, event: AnyEvent) => Promise<boolean>,
  ) => Promise<boolean>
}

export interface HandlingOptions<Tx> {
  service: ServiceName
  handlers: Handlers<Tx>
  store: { write<T>(work: Work<Tx, T>): Promise<T> }
  deployment: Deployment
  platform: Platform
  /** Called once an event's effect is committed, before anything is acknowledged. A crash can come before it. */
  onCommitted?: (event: AnyEvent) => void
}

export function createHandling<Tx>(options: HandlingOptions<Tx>): Handling<Tx> {
  const { service, handlers, store, deployment, platform, onCommitted } = options
  return {
    async handle(message, at, claim) {
      const event = decodeOwn(message, deployment)
      const handler = handlers[event.type] as Handler<Tx, EventType> | undefined
      if (!handler) throw new Poison(`${service} has no handler for ${event.type}`)
      const arrival = { ...at, receivedAt: platform.now() }
      const done = await store.write(async (tx) => {
        if (!(await claim(tx, event))) return false
        await handler(tx, event, arrival)
        return true
      })
      if (done) onCommitted?.(event)
      return done
    },
  }
}

/** A message that was kept in the file, parked or as a dead letter, as it came. */
export const storedMessage = (row: { message: string; subject: string; headers: string }): Message => ({
  data: Buffer.from(row.message),
  subject: row.subject,
  headers: JSON.parse(row.headers) as Record<string, string>,
})
