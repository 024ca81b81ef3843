/** A JSON Schema as rows of a table: what docs/events.md and the documentation page show of a message. */
import type { JsonSchema } from './compatibility.ts'

export interface Field {
  /** With the names of the objects around it, such as data.amount. */
  readonly name: string
  /** What values it takes, in words. */
  readonly form: string
  readonly required: boolean
  readonly description: string
}

/** The fields of an object, those of the objects in it behind them. */
export function fieldsOf(schema: JsonSchema, prefix = ''): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const name = `${prefix}${key}`
    const field = {
      name,
      form: formOf(property),
      required: schema.required?.includes(key) ?? false,
      description: String(property.description ?? ''),
    }
    return [field, ...(property.type === 'object' ? fieldsOf(property, `${name}.`) : [])]
  })
}

/** Such as "string, 1–100 characters". Code is in backticks. */
export function formOf(schema: JsonSchema): string {
  const { format, pattern, anyOf } = schema as { format?: string; pattern?: string; anyOf?: JsonSchema[] }
  if (schema.const !== undefined) return code(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map(code).join(' or ')
  if (anyOf) return anyOf.map(formOf).join(' or ')
  const limits = schema.type === 'string' ? lengths(schema) : range(schema)
  const form = format === undefined ? String(schema.type ?? 'anything') : (FORMATS[format] ?? `string (${format})`)
  return [form, ...(pattern === undefined ? [] : [`\`${pattern}\``]), ...(limits === '' ? [] : [limits])].join(', ')
}

const FORMATS: Readonly<Record<string, string>> = {
  uuid: 'UUID',
  'date-time': 'RFC 3339 time',
  email: 'e-mail address',
}
const code = (value: unknown) => `\`${JSON.stringify(value)}\``
const number = (value: unknown) => Number(value).toLocaleString('en-US')

function lengths({ minLength, maxLength }: JsonSchema): string {
  if (minLength !== undefined && maxLength !== undefined) return `${number(minLength)}–${number(maxLength)} characters`
  if (maxLength !== undefined) return `at most ${number(maxLength)} characters`
  return minLength === 1 ? 'not empty' : minLength === undefined ? '' : `at least ${number(minLength)} characters`
}

function range({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return `${number(minimum)}–${number(maximum)}`
  if (maximum !== undefined) return `at most ${number(maximum)}`
  return minimum === undefined ? '' : `at least ${number(minimum)}`
}
