/**
 * How the streams and durables at a broker say whose they are: in their description, which nats-server 2.9 has too
 * (metadata came with 2.10). What does not say that it is this system's is somebody else's.
 */
import type { Deployment } from '@checkout/store/deployment.ts'

export interface Mark extends Deployment {
  /** Of a stream: one life of it, told by an id that its maker writes into it. Not of a durable. */
  readonly incarnation?: string
}

export const markText = ({ systemId, currency, incarnation }: Mark): string =>
  `checkout system=${systemId} currency=${currency}${incarnation === undefined ? '' : ` incarnation=${incarnation}`}`

/** Undefined when the description is not one of `markText`. */
export function readMark(description: string | undefined): Mark | undefined {
  const match = /^checkout system=(\S+) currency=(\S+)(?: incarnation=(\S+))?$/.exec(description ?? '')
  if (!match) return undefined
  const [, systemId = '', currency = '', incarnation] = match
  return { systemId, currency, ...(incarnation !== undefined && { incarnation }) }
}

/** What version 0.1 wrote into a stream. */
const UNMARKED = /^incarnation (\S+)$/

/** The incarnation of a stream that version 0.1 made: it says nothing of its system. */
export const unmarkedIncarnation = (description: string | undefined): string | undefined =>
  UNMARKED.exec(description ?? '')?.[1]
