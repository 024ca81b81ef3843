/**
 * The written contracts: JSON Schema 2020-12, one file per event type (the whole message) and per HTTP body.
 * `npm run schemas -w @checkout/contracts` writes them; a test fails when the committed ones differ.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TSchema } from 'typebox'
import { eventData, eventSchemas, eventTypes } from './events.ts'
import * as http from './http.ts'

export const SCHEMAS_FOLDER = join(import.meta.dirname, '../schemas')

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

/** What Swagger says at the routes; here the files stand alone. A schema's own description wins. */
const descriptions: Readonly<Record<string, string>> = {
  NewUser: 'Request body of POST /users.',
  User: 'A registered user, as POST /users and GET /users/me answer it.',
  Account: "A user's account, as POST /accounts and GET /accounts/me answer it.",
  Movement: 'Request body of POST /accounts/me/deposits and /accounts/me/withdrawals.',
  LedgerEntry: 'One entry of the ledger, as deposits, withdrawals and GET /accounts/me/transactions answer it.',
  LedgerPage: 'One page of the ledger, newest entry first: GET /accounts/me/transactions.',
  NewOrder: 'Request body of POST /orders.',
  Order: 'An order, as POST /orders and GET /orders/{id} answer it.',
  OrderPage: 'One page of orders, newest first: GET /orders.',
  NewMessage: 'Request body of POST /notifications.',
  Letter: 'A letter to a user, as POST /notifications answers it; also, with its type, a WebSocket frame.',
  LetterPage: 'One page of letters, newest first: GET /notifications.',
  JourneyStep: "One step of an order's way through a service, from a stored row.",
  Journey: "What one service knows of an order's way: GET /journeys/{part}/{orderId}.",
  ServiceStatus: 'How a service is: GET /status/{part}.',
}

/** Every file of the folder: path relative to it → text. Deterministic. */
export function schemaFiles(): Map<string, string> {
  const events = eventTypes.map((type) =>
    fileOf('events', type, eventSchemas[type], (eventData[type] as Described).description),
  )
  const bodyFiles = bodies.map(({ name, schema }) =>
    fileOf('http', name, schema, schema.description ?? descriptions[name]),
  )
  return new Map([...events, ...bodyFiles])
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

if (import.meta.main) writeSchemas(SCHEMAS_FOLDER)
