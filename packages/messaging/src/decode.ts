/** From bytes to an event that keeps its contract, or to Poison. */
import { createHash } from 'node:crypto'
import { type AnyEvent, type EventType, eventSchemas, eventTypes, SYSTEM_HEADER } from '@checkout/contracts/events.ts'
import { parseStrictJson } from '@checkout/kernel/strict-json.ts'
import type { Deployment } from '@checkout/store/deployment.ts'
import { Compile } from 'typebox/compile'
import type { Delivery } from './broker.ts'

/** A message that no retry can help: another system's, in another currency, not JSON, or not what the contract says. */
export class Poison extends Error {}

/**
 * It says something else than what is stored about the same thing: both cannot be true, and no retry decides which. A person
 * has to, so the reason has both; but names and addresses stay in the message and the store, because reasons are logged.
 */
export class Contradiction extends Poison {}

const validators = new Map(eventTypes.map((type) => [type, Compile(eventSchemas[type])]))
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What a service handles: `decode`, of its own system and in its own currency. @throws Poison */
export function decodeOwn(delivery: Pick<Delivery, 'data' | 'subject' | 'headers'>, deployment: Deployment): AnyEvent {
  assertOwn(delivery.headers, deployment)
  const event = decode(delivery)
  assertCurrency(event, deployment)
  return event
}

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

/** Without the header, a message counts as ours: older versions send none, nor do people. */
function assertOwn(headers: Delivery['headers'], { systemId }: Deployment): void {
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== SYSTEM_HEADER.toLowerCase() || value === systemId) continue
    throw new Poison(`it is of the system ${value}, and this is the system ${systemId}`)
  }
}

/** Amounts in another currency mean something else: here, for every event that has one. */
function assertCurrency({ data }: AnyEvent, { currency }: Deployment): void {
  if (!('currency' in data) || data.currency === currency) return
  throw new Poison(`its amount is in ${data.currency}, and CURRENCY here is ${currency}`)
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
