/** Values at the corners of a JSON Schema: the extremes of every limit, every enum value, with and without the optional. */
import type { JsonSchema } from '@checkout/contracts/compatibility.ts'

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const patterns: Readonly<Record<string, readonly string[]>> = {
  '^[A-Za-z0-9_-]{1,64}$': ['a', 'Z9_-'.repeat(16)],
  '^[A-Z]{3}$': ['RUB', 'XXX'],
  '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$': [TRACEPARENT],
}
const formats: Readonly<Record<string, readonly string[]>> = {
  uuid: ['01a202c0-f64b-7d3a-9b52-0d4f6c8e1a2b'],
  'date-time': ['2026-11-22T10:15:30.123Z'],
}

/** At least one value, each valid. @throws Error for what it does not know */
export function corners(schema: JsonSchema): unknown[] {
  if (schema.const !== undefined) return [schema.const]
  if (Array.isArray(schema.enum)) return schema.enum
  switch (schema.type) {
    case 'object':
      return objects(schema)
    case 'string':
      return strings(schema)
    case 'integer':
    case 'number':
      return [...new Set([limit(schema, 'minimum', -1), limit(schema, 'maximum', 1)])]
    case 'boolean':
      return [true, false]
    default:
      throw new Error(`no corners for the type ${JSON.stringify(schema.type)}: add them to corner-events.ts`)
  }
}

const limit = (schema: JsonSchema, keyword: string, otherwise: number) =>
  (schema[keyword] as number | undefined) ?? otherwise

function strings(schema: JsonSchema): string[] {
  const { pattern, format } = schema as { pattern?: string; format?: string }
  const samples = pattern !== undefined ? patterns[pattern] : format !== undefined ? formats[format] : undefined
  if (samples) return [...samples]
  if (pattern ?? format) throw new Error(`no corners for ${pattern ?? format}: add some to corner-events.ts`)
  return [...new Set([limit(schema, 'minLength', 0), limit(schema, 'maxLength', 300)])].map((length) =>
    'x'.repeat(length),
  )
}

/** One with everything; then each field at each of its other corners; then each optional field absent; then a field more. */
function objects({ properties = {}, required = [] }: JsonSchema): Record<string, unknown>[] {
  const values = Object.entries(properties).map(([name, schema]) => [name, corners(schema)] as const)
  const whole = Object.fromEntries(values.map(([name, [first]]) => [name, first]))
  const others = values.flatMap(([name, [, ...rest]]) => rest.map((value) => ({ ...whole, [name]: value })))
  const without = values
    .filter(([name]) => !required.includes(name))
    .map(([name]) => Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name)))
  return [whole, ...others, ...without, { ...whole, addedLater: { by: ['a later version'] } }]
}
