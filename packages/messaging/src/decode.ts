/** From bytes to an event that keeps its contract, or to Poison. */
import { createHash } from 'node:crypto'
import { type AnyEvent, type EventType, eventSchemas, eventTypes } from '@checkout/contracts/events.ts'
import { parseStrictJson } from '@checkout/service/strict-json.ts'
import { Compile } from 'typebox/compile'
import type { Delivery } from './broker.ts'

/** A message that no retry can help: not JSON, no such type or version, or not what the contract says. */
export class Poison extends Error {}

const validators = new Map(eventTypes.map((type) => [type, Compile(eventSchemas[type])]))
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws Poison */
export function decode(delivery: Pick<Delivery, 'data' | 'subject'>): AnyEvent {
  const event = parse(delivery.data)
  const type = (event as { type?: unknown } | null)?.type
  const validator = validators.get(type as EventType)
  if (!validator) throw new Poison(`unknown event type ${JSON.stringify(type)}`)
  if (!validator.Check(event)) {
    const [first] = validator.Errors(event)
    throw new Poison(`invalid ${type}: ${first?.instancePath || '/'} ${first?.message ?? 'does not match the schema'}`)
  }
  if (type !== delivery.subject) throw new Poison(`${type} arrived on the subject ${delivery.subject}`)
  return event as AnyEvent
}

function parse(data: Uint8Array): unknown {
  try {
    return parseStrictJson(utf8.decode(data))
  } catch (error) {
    throw new Poison(`not JSON: ${(error as Error).message}`)
  }
}

/** What a dead letter is unique by: the event's id, else the hash of its bytes. */
export function eventKey(data: Uint8Array): string {
  try {
    const { id } = JSON.parse(utf8.decode(data)) as { id?: unknown }
    if (typeof id === 'string' && id.length > 0 && id.length <= 255) return id
  } catch {
    // Not JSON, or JSON that is no object: the bytes themselves are the key.
  }
  return `sha256:${createHash('sha256').update(data).digest('hex')}`
}
