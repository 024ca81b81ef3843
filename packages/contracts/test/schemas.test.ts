/** The committed JSON Schema files are what the code says, are valid, and accept what was ever published. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import t from 'tap'
import { type EventType, eventTypes } from '../src/events.ts'
import { SCHEMAS_FOLDER, schemaFiles, writeSchemas } from '../src/generate-schemas.ts'
import { temporaryFolder } from './support/database.ts'
import { publishedEvents } from './support/published-events.ts'

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
  rmSync(join(dataDir, 'http/User.json'))
  writeFileSync(join(dataDir, 'events/orders.lost.v1.json'), '{}')
  t.strictSame(differences(dataDir), [
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

t.test('every body shows examples, and they keep its schema', async (t) => {
  const { ajv, schemas } = compileAll()
  for (const { $id, title, examples } of schemas.filter((schema) => String(schema.$id).includes('/http/'))) {
    if (title === 'Problem') continue // the documentation makes one per code
    t.ok(Array.isArray(examples) && examples.length > 0, `${title} has one`)
    const validate = ajv.getSchema(String($id))
    for (const example of examples as unknown[]) t.ok(validate?.(example), JSON.stringify(validate?.errors))
  }
})

t.test('what was published stays readable', async (t) => {
  const { ajv } = compileAll()
  const types = new Set<string>()
  for (const event of publishedEvents) {
    const type = String(event.type) as EventType
    types.add(type)
    const validate = ajv.getSchema(idOf(type))
    t.ok(validate?.(event), `${type} ${JSON.stringify(validate?.errors)}`)
    const { data } = event
    t.ok(validate?.({ ...event, later: 1, data: { ...(data as object), later: 1 } }), 'so is one of a later version')
    t.notOk(validate?.({ ...event, data: {} }), `${type} without its data is refused`)
    t.notOk(validate?.({ ...event, type: 'orders.lost.v1' }), 'and so is another type')
  }
  t.strictSame([...types].sort(), [...eventTypes].sort(), 'every type has an event')
})

const idOf = (type: string) => `https://checkout.example/schemas/events/${type}.json`

function compileAll() {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false })
  // ajv-formats is CommonJS: its default export arrives as a namespace.
  const addFormats = formats as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  const schemas = [...schemaFiles().values()].map((text) => JSON.parse(text) as Record<string, unknown>)
  for (const schema of schemas) ajv.addSchema(schema)
  return { ajv, schemas }
}
