/** How large an event can be as a message: what a broker has to take. */
import { eventSchemas } from './events.ts'

/** Headers of a published message: its id, trace, content type and expected sequence, each with its name. */
const HEADER_BYTES = 512
/** Of a text whose form or origin bounds it: ids, sources, times. */
const SHORT_TEXT = 64
/** A control character in JSON is \u001f: longer than any character in UTF-8. */
const BYTES_PER_CHARACTER = 6

interface Schema {
  type?: string
  const?: unknown
  enum?: readonly unknown[]
  maxLength?: number
  properties?: Readonly<Record<string, Schema>>
}

/** Bytes that the largest event of the contract has at most, with its headers. */
export const largestEventBytes = (): number =>
  HEADER_BYTES + Math.max(...Object.values(eventSchemas).map((schema) => bytesOf(schema as Schema)))

function bytesOf(schema: Schema): number {
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, value]) => `"${name}":,`.length + bytesOf(value))
    return fields.reduce((sum, bytes) => sum + bytes, '{}'.length)
  }
  const values = schema.const === undefined ? schema.enum : [schema.const]
  if (values) return Math.max(...values.map((value) => JSON.stringify(value).length))
  if (schema.type === 'string') return '""'.length + BYTES_PER_CHARACTER * (schema.maxLength ?? SHORT_TEXT)
  return String(Number.MIN_SAFE_INTEGER).length
}
