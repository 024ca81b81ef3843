/** Strict JSON Schema validation for Fastify, and its errors in plain English. */

import { fromText } from '@checkout/kernel/config.ts'
import type { FieldError } from '@checkout/kernel/problem.ts'
import type { Ajv as AjvType, ErrorObject, ValidateFunction } from 'ajv'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { Type } from 'typebox'

/** Body schema of a route that takes no body or `{}`: Fastify shows an absent body to the validator as null. */
export const noBody = Type.Union([Type.Object({}, { additionalProperties: false }), Type.Null()])

/** A hostile body can be wrong in thousands of places; nobody reads more than these. */
const ERRORS_MAX = 20

type Pointers = Record<string, string>
const roots: Pointers = { body: '', querystring: '/query', params: '/path', headers: '/headers' }

/** Fastify's validator factory (`schemaController.compilersFactory.buildValidator`): one Ajv per set of schemas. */
export function buildValidator(externalSchemas: unknown) {
  const ajv = createAjv()
  for (const schema of Object.values(externalSchemas as Record<string, object>)) ajv.addSchema(schema)
  return ({ schema, httpPart }: { schema: unknown; httpPart?: string }): ValidateFunction => {
    const validate = compile(ajv, schema as { $id?: string })
    return httpPart === 'querystring' || httpPart === 'params' ? parsing(validate) : validate
  }
}

function createAjv(): AjvType {
  const ajv = new Ajv({
    coerceTypes: false, // Fastify's default would take true, "1" and [1] for 1
    removeAdditional: false, // and drop unknown fields silently
    useDefaults: true,
    allErrors: true, // bounded: bodies are at most 16 KiB and ERRORS_MAX is answered
    strict: true,
    validateSchema: false, // 0.2 s of every start; tests validate what the routes have, as OpenAPI
    strictTypes: false, // TypeBox unions of literals name the type in each branch only
  })
  // ajv-formats is CommonJS: its default export arrives as a namespace.
  const addFormats = formats as unknown as (ajv: AjvType) => void
  addFormats(ajv)
  return ajv
}

/** Ajv refuses to compile two schemas of the same $id; a registered one is compiled once. */
const compile = (ajv: AjvType, schema: { $id?: string }): ValidateFunction =>
  (schema.$id && ajv.getSchema(schema.$id)) || ajv.compile(schema)

/**
 * Query strings are text, so numbers and booleans have to be parsed first. Done here and not by Ajv's coercion, which
 * also takes " 5", "0x10" and "1e1" for integers. A repeated parameter is an array and stays refused.
 */
function parsing(validate: ValidateFunction): ValidateFunction {
  const properties = (validate.schema as { properties?: Record<string, { type?: string }> }).properties ?? {}
  const parsed = Object.entries(properties).filter(([, { type }]) => type === 'integer' || type === 'boolean')
  if (parsed.length === 0) return validate
  const wrapper = (data: Record<string, unknown>) => {
    for (const [name, schema] of parsed) {
      const text = data[name]
      if (typeof text === 'string') data[name] = fromText(schema, text)
    }
    const valid = validate(data)
    wrapper.errors = validate.errors
    return valid
  }
  wrapper.errors = undefined as ValidateFunction['errors']
  return wrapper as unknown as ValidateFunction
}

/** Ajv's errors as the API answers them. `part` is Fastify's validationContext. */
export function fieldErrors(errors: readonly ErrorObject[], part: string): FieldError[] {
  const root = roots[part] ?? ''
  const noun = part === 'querystring' ? 'parameter' : 'field'
  const unions = new Set(errors.filter((e) => e.keyword === 'anyOf').map((e) => e.instancePath))
  const answer = new Map<string, FieldError>()
  for (const error of errors) {
    if (isBranchNoise(error, unions, errors)) continue
    const path = root + error.instancePath + pointerTo(error)
    const message = error.keyword === 'anyOf' ? unionMessage(error, errors) : messageOf(error, noun)
    if (!answer.has(path)) answer.set(path, { path, message })
    if (answer.size === ERRORS_MAX) break
  }
  return [...answer.values()]
}

const branchKeywords = new Set(['anyOf', 'const', 'enum', 'type'])

/** Within a union every branch complains; the union's own line says it once, unless a branch says something exact. */
function isBranchNoise(error: ErrorObject, unions: ReadonlySet<string>, all: readonly ErrorObject[]): boolean {
  const path = error.instancePath
  if (!unions.has(path)) return false
  if (error.keyword !== 'anyOf') return branchKeywords.has(error.keyword)
  const isExact = (e: ErrorObject) => e.instancePath === path || e.instancePath.startsWith(`${path}/`)
  return all.some((e) => isExact(e) && !branchKeywords.has(e.keyword))
}

function unionMessage(union: ErrorObject, all: readonly ErrorObject[]): string {
  const here = all.filter((e) => e.instancePath === union.instancePath)
  const values = here.flatMap(({ keyword, params }) =>
    keyword === 'const' ? [params.allowedValue] : keyword === 'enum' ? params.allowedValues : [],
  )
  if (values.length > 0) return `must be one of ${values.join(', ')}`
  const types = here
    .filter((e) => e.keyword === 'type' && !(e.params.type === 'null' && e.instancePath === '')) // noBody's null
    .map((e) => typeName(e.params.type))
  return `must be ${types.join(' or ')}`
}

/** Missing and unknown fields are reported by Ajv on their parent. */
function pointerTo({ keyword, params }: ErrorObject): string {
  const name = keyword === 'required' ? params.missingProperty : params.additionalProperty
  return name === undefined ? '' : `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

const ONE_LINE = '^[^\\r\\n]*$'
const formatNames: Record<string, string> = {
  email: 'an e-mail address',
  uuid: 'a UUID',
  'date-time': 'an RFC 3339 time',
}

const typeName = (type: unknown) =>
  type === 'null' ? 'null' : `${/^[aeiou]/.test(String(type)) ? 'an' : 'a'} ${String(type)}`

function messageOf({ keyword, params, message }: ErrorObject, noun: string): string {
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'additionalProperties':
      return `is not a known ${noun}`
    case 'type':
      return `must be ${typeName(params.type)}`
    case 'pattern':
      return params.pattern === ONE_LINE ? 'must be one line' : `must match ${params.pattern}`
    case 'minimum':
      return `must be at least ${params.limit}`
    case 'maximum':
      return `must be at most ${params.limit}`
    case 'minLength':
      return params.limit === 1 ? 'must not be empty' : `must have at least ${params.limit} characters`
    case 'maxLength':
      return `must have at most ${params.limit} characters`
    case 'format':
      return `must be ${formatNames[params.format] ?? `a valid ${params.format}`}`
    case 'const':
      return `must be ${params.allowedValue}`
    case 'enum':
      return `must be one of ${params.allowedValues.join(', ')}`
    default:
      return message ?? 'is not valid'
  }
}
