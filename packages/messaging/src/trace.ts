/** W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace goes through the outbox with the event. */
import type { Platform } from '@checkout/kernel/platform.ts'

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/

/** A traceparent with a new span id in the caller's trace; in a new trace when the caller's is missing or malformed. */
export function childOf(parent: string | undefined, randomBytes: Platform['randomBytes']): string {
  const match = parent === undefined ? null : TRACEPARENT.exec(parent)
  const random = randomBytes(24).toString('hex')
  const trace = match?.[1] ?? random.slice(0, 32)
  return `00-${trace}-${random.slice(32, 48)}-${match?.[2] ?? '01'}`
}

/** The traceparent of an HTTP request, as it came. */
export const traceparentOf = (headers: NodeJS.Dict<string | string[]>): string | undefined =>
  typeof headers.traceparent === 'string' ? headers.traceparent : undefined
