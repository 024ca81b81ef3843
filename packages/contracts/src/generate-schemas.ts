/**
 * The written contracts: JSON Schema 2020-12, one file per event type (the whole message) and per HTTP body; the AsyncAPI
 * document; the generated parts of docs/events.md. `npm run schemas -w @checkout/contracts` writes them; a test fails when
 * the committed ones differ.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TSchema } from 'typebox'
import { asyncApiDocument } from './asyncapi.ts'
import { documentedSchemas } from './event-examples.ts'
import { eventData, eventTypes } from './events.ts'
import { withGeneratedParts } from './events-markdown.ts'
import * as http from './http.ts'

export const SCHEMAS_FOLDER = join(import.meta.dirname, '../schemas')
export const EVENTS_MARKDOWN = join(import.meta.dirname, '../../../docs/events.md')

/** Names the schemas, as JSON Schema wants it; nothing is served there. References between them are relative to it. */
const BASE_URI = 'https://checkout.example/schemas'

interface Described extends TSchema {
  $id?: string
  description?: string
}
const bodies = Object.values(http as Record<string, unknown>).flatMap((value) => {
  const schema = value as Described
  return schema.$id === undefined ? [] : [{ name: schema.$id, schema }]
})

/** Every file of the folder: path relative to it → text. Deterministic. */
export function schemaFiles(): Map<string, string> {
  const events = eventTypes.map((type) =>
    fileOf('events', type, documentedSchemas[type], (eventData[type] as Described).description),
  )
  const bodyFiles = bodies.map(({ name, schema }) => fileOf('http', name, schema, schema.description))
  return new Map([...events, ...bodyFiles, ['asyncapi.json', `${JSON.stringify(asyncApiDocument(), null, 2)}\n`]])
}

/** @throws Error when the schema has no description: the file would not say what it is for. */
function fileOf(folder: string, name: string, schema: TSchema, description: string | undefined): [string, string] {
  if (!description) throw new Error(`${name} needs a description`)
  const path = `${folder}/${name}.json`
  const { $id: _, title: __, description: ___, ...rest } = plain(schema)
  const head = { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: `${BASE_URI}/${path}`, title: name }
  return [path, `${JSON.stringify({ ...head, description, ...rest }, null, 2)}\n`]
}

/** The schema as data, with references by registered name turned into references to the files. */
function plain(schema: TSchema): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === '$ref' && typeof value === 'string' ? value.replace(/^(\w+)#$/, '$1.json') : value,
  )
}

/** Writes the files, replacing the whole folder: a schema that is gone takes its file with it. */
export function writeSchemas(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  for (const [path, text] of schemaFiles()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

if (import.meta.main) {
  writeSchemas(SCHEMAS_FOLDER)
  writeFileSync(EVENTS_MARKDOWN, withGeneratedParts(readFileSync(EVENTS_MARKDOWN, 'utf8')))
}
