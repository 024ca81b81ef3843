/** The committed JSON Schema files are what the code says, are valid, and say what each field is. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '@checkout/testkit/database.ts'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import t from 'tap'
import { eventTypes } from '../src/events.ts'
import { SCHEMAS_FOLDER, schemaFiles, writeSchemas } from '../src/generate-schemas.ts'

/** What differs between a folder and what would be generated now. */
function differences(folder: string): string[] {
  const generated = schemaFiles()
  const present = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  const files = present.filter((path) => path.endsWith('.json'))
  return [
    ...[...generated.keys()].filter((path) => !files.includes(path)).map((path) => `missing: ${path}`),
    ...files.filter((path) => !generated.has(path)).map((path) => `left over: ${path}`),
    ...files
      .filter((path) => generated.has(path) && readFileSync(join(folder, path), 'utf8') !== generated.get(path))
      .map((path) => `differs: ${path}`),
  ].sort()
}

t.test('the committed files are what the code says', async (t) => {
  t.strictSame(differences(SCHEMAS_FOLDER), [], 'run: npm run schemas -w @checkout/contracts')
})

t.test('a planted change is noticed', async (t) => {
  const { dataDir, remove } = temporaryFolder()
  t.teardown(remove)
  cpSync(SCHEMAS_FOLDER, dataDir, { recursive: true })
  t.strictSame(differences(dataDir), differences(SCHEMAS_FOLDER))
  writeSchemas(dataDir)
  t.strictSame(differences(dataDir), [])
  const order = join(dataDir, 'http/Order.json')
  writeFileSync(order, readFileSync(order, 'utf8').replace('"minimum": 1', '"minimum": 2'))
  const asyncApi = join(dataDir, 'asyncapi.json')
  writeFileSync(asyncApi, readFileSync(asyncApi, 'utf8').replace('users.registered.v1', 'users.registered.v2'))
  rmSync(join(dataDir, 'http/User.json'))
  writeFileSync(join(dataDir, 'events/orders.lost.v1.json'), '{}')
  t.strictSame(differences(dataDir), [
    'differs: asyncapi.json',
    'differs: http/Order.json',
    'left over: events/orders.lost.v1.json',
    'missing: http/User.json',
  ])
})

t.test('every file is a JSON Schema with a name and a purpose', async (t) => {
  const { ajv, schemas } = compileAll()
  const names = new Set<unknown>()
  for (const { $id, $schema, title, description } of schemas) {
    t.equal($schema, 'https://json-schema.org/draft/2020-12/schema')
    t.match([title, description], [/^\w[\w.]+$/, /^.{10,}\.$/s], String($id))
    t.doesNotThrow(() => ajv.getSchema(String($id)), `${$id} compiles, its references included`)
    names.add($id)
  }
  t.equal(names.size, schemas.length, 'no two have the same $id')
  for (const type of eventTypes) t.ok(names.has(idOf(type)), type)
})

t.test('every message and every body shows examples, and they keep its schema', async (t) => {
  const { ajv, schemas } = compileAll()
  for (const { $id, title, examples } of schemas) {
    if (title === 'Problem') continue // the documentation makes one per code
    t.ok(Array.isArray(examples) && examples.length > 0, `${title} has one`)
    const validate = ajv.getSchema(String($id))
    for (const example of examples as unknown[]) t.ok(validate?.(example), JSON.stringify(validate?.errors))
  }
})

t.test('every field has a description', async (t) => {
  const { schemas } = compileAll()
  t.strictSame(
    schemas.flatMap((schema) => undescribed(schema as Schema, String(schema.title))),
    [],
  )
  const field = { type: 'string' }
  const planted = { properties: { a: { properties: { b: field } }, list: { items: { properties: { c: field } } } } }
  t.strictSame(undescribed(planted, 'X'), ['X.a', 'X.a.b', 'X.list', 'X.list[].c'], 'one that has none is found')
  t.strictSame(undescribed({ anyOf: [{ properties: { d: { description: 'x' } } }] }, 'Y'), ['Y.d'], 'nor is that one')
})

interface Schema {
  type?: string
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
}

/** The fields that have no description, or one that is no sentence, by their way from the root. */
function undescribed({ properties = {}, items, anyOf = [] }: Schema, path: string): string[] {
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const here = /^.{5,}\.$/s.test(field.description ?? '') ? [] : [`${path}.${name}`]
    return [...here, ...undescribed(field, `${path}.${name}`)]
  })
  return [
    ...fields,
    ...(items ? undescribed(items, `${path}[]`) : []),
    ...anyOf.flatMap((one) => undescribed(one, path)),
  ]
}

const idOf = (type: string) => `https://checkout.example/schemas/events/${type}.json`

function compileAll() {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false })
  // ajv-formats is CommonJS: its default export arrives as a namespace.
  const addFormats = formats as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  const files = [...schemaFiles()].filter(([path]) => path !== 'asyncapi.json')
  const schemas = files.map(([, text]) => JSON.parse(text) as Record<string, unknown>)
  for (const schema of schemas) ajv.addSchema(schema)
  return { ajv, schemas }
}
