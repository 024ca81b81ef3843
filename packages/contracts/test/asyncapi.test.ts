/** The AsyncAPI document is valid by AsyncAPI's own parser, and complete. That the committed one is it: schemas.test.ts. */
import { Parser } from '@asyncapi/parser'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import t from 'tap'
import { asyncApiDocument } from '../src/asyncapi.ts'
import { eventTypes } from '../src/events.ts'
import { deletionSubject, publisherOf, pushSubject, streams, subscriptions } from '../src/topology.ts'

const parser = new Parser()

/** 3.0 is what every tool for AsyncAPI 3 reads, and nothing here needs 3.1. */
const ACCEPTED = 'asyncapi-latest-version'

/** What the parser complains about: rule and place. */
async function complaints(document: unknown): Promise<string[]> {
  const diagnostics = await parser.validate(JSON.stringify(document))
  return diagnostics.filter(({ code }) => code !== ACCEPTED).map(({ code, path }) => `${code} ${path.join('/')}`)
}

async function parsed() {
  const { document } = await parser.parse(JSON.stringify(asyncApiDocument()))
  if (!document) throw new Error('the parser made no document of it')
  return document
}

t.test('the parser has nothing to complain about', async (t) => {
  t.strictSame(await complaints(asyncApiDocument()), [])
})

t.test('it would complain', async (t) => {
  // biome-ignore lint/suspicious/noExplicitAny: broken on purpose, at places that the type does not know
  const planted = (change: (document: any) => void) => {
    const document = structuredClone(asyncApiDocument())
    change(document)
    return complaints(document)
  }
  t.match(await planted((d) => delete d.info.version), [/document-resolved info/], 'a required field is missing')
  t.match(
    await planted((d) => {
      d.channels['orders.paid.v1'].messages['orders.paid.v1'].$ref = '#/components/messages/orders.lost.v1'
    }),
    [/invalid-ref/],
    'a reference to nothing',
  )
  t.match(
    await planted((d) => {
      d.operations['payments-service_orders-created-v1'].bindings.nats.queue = 1
    }),
    [/bindings/],
    'a binding that NATS does not have',
  )
})

t.test('examples keep their schemas, which the parser does not look at', async (t) => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false })
  // ajv-formats is CommonJS: its default export arrives as a namespace.
  const addFormats = formats as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  const document = await parsed()
  for (const message of document.messages()) {
    for (const example of message.examples()) {
      for (const [part, schema] of [
        ['payload', message.payload()],
        ['headers', message.headers()],
      ] as const) {
        if (!schema) continue
        const validate = ajv.compile(valuesOnly(schema.json()))
        t.ok(validate(example[part]()), `${message.id()} ${part} ${JSON.stringify(validate.errors)}`)
        t.notOk(validate({}), `${message.id()} ${part}: another one would not`)
      }
    }
  }
})

/** Without what the parser adds for itself. */
const valuesOnly = (schema: unknown): object =>
  JSON.parse(JSON.stringify(schema), (key, value) => (key.startsWith('x-parser-') ? undefined : value))

t.test('every event has its channel, its publisher and its readers', async (t) => {
  const document = await parsed()
  const { channels } = asyncApiDocument() as { channels: Record<string, { 'x-jetstream'?: { stream: string } }> }
  for (const type of eventTypes) {
    const channel = document.channels().get(type)
    t.equal(channel?.address(), type, 'the subject is the event type')
    t.strictSame(
      channel?.messages().map((message) => message.id()),
      [type],
    )
    const message = channel?.messages().get(type)
    t.ok(message?.examples().length, `${type} has an example`)
    t.equal(message?.contentType(), 'application/cloudevents+json')
    t.equal(message?.correlationId()?.location(), '$message.payload#/correlationid')

    const senders = channel?.operations().filterBySend() ?? []
    t.strictSame(senders.map(tagsOf), [publisherOf(type)])
    const readers = channel?.operations().filterByReceive() ?? []
    const expected = subscriptions.filter(({ subject }) => subject === type)
    t.strictSame(readers.map((reader) => reader.id()).sort(), expected.map(({ durable }) => durable).sort())
    t.strictSame(readers.map(tagsOf).sort(), expected.map(({ service }) => service).sort())
    for (const reader of readers) t.equal(reader.bindings().get('nats')?.json().queue, reader.id(), 'the durable')
    t.equal(channels[type]?.['x-jetstream']?.stream, expected[0]?.stream)
  }
})

t.test('and so have the signals and the WebSocket', async (t) => {
  const document = await parsed()
  const channels = document.channels()
  t.equal(channels.length, eventTypes.length + 3)
  t.equal(channels.get('push')?.address(), pushSubject('{userId}'))
  t.equal(channels.get('deleted')?.address(), deletionSubject('{stream}'))
  t.strictSame(
    channels.get('deleted')?.parameters().get('stream')?.json().enum,
    streams.map(({ name }) => name),
  )
  const owners = channels.get('deleted')?.operations().filterBySend() ?? []
  t.strictSame(
    owners.map(tagsOf),
    streams.map(({ owner }) => owner),
    'owners announce deletions',
  )

  const letters = channels.get('letters')
  t.equal(letters?.address(), '/notifications/stream')
  t.strictSame(
    letters?.messages().map((message) => message.id()),
    ['PushedLetter', 'PushReady'],
  )
  t.strictSame(Object.keys(letters?.bindings().get('ws')?.json().query.properties), ['userId', 'since'])
  t.strictSame(
    letters?.servers().map((server) => server.protocol()),
    ['ws'],
  )
})

const tagsOf = (operation: { tags(): { map<T>(by: (tag: { name(): string }) => T): T[] } }) =>
  operation
    .tags()
    .map((tag) => tag.name())
    .join()
