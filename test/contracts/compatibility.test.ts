/**
 * The compatibility gate: today's reader reads what was ever published, the readers of every release read today's
 * events, and what is published stays. When it is red, docs/events.md ("Changing an event") says what to do.
 */

import { breakingChanges, explain, type JsonSchema, type Rule, rules } from '@checkout/contracts/compatibility.ts'
import { eventSchemas, eventTypes } from '@checkout/contracts/events.ts'
import { type EventSchemas, fixtures, incompatible, publishedSchemas } from '@checkout/contracts/freeze.ts'
import { decode } from '@checkout/messaging/decode.ts'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { corners } from './corner-events.ts'

const asData = (schema: object) => JSON.parse(JSON.stringify(schema)) as JsonSchema
const today: EventSchemas = new Map(eventTypes.map((type) => [type, asData(eventSchemas[type])]))
const releases = publishedSchemas()

/** What the reader of a schema says of an event; undefined = it takes it. The same compiler as in decode(). */
function refusal(schema: JsonSchema, event: unknown): string | undefined {
  const [error] = Compile(schema).Errors(event)
  return error && `${error.instancePath} ${error.message}: ${JSON.stringify(event)}`
}
const refusals = (schema: JsonSchema, events: readonly unknown[]) =>
  events.map((event) => refusal(schema, event)).filter((found) => found !== undefined)

t.test('nothing has changed that breaks somebody', async (t) => {
  const found = incompatible(today)
  for (const sentence of found) t.fail(sentence)
  t.equal(found.length, 0)
})

t.test("today's reader reads what was ever published", async (t) => {
  for (const { path, type, data } of fixtures()) {
    const event = JSON.parse(data.toString()) as { data: object }
    try {
      t.strictSame(decode({ data, subject: type }), event, path)
    } catch (error) {
      t.fail(`${path} is not read any more: ${(error as Error).message}`)
    }
    const later = { ...event, later: 1, data: { ...event.data, later: { a: [1] } } }
    t.doesNotThrow(() => decode({ data: Buffer.from(JSON.stringify(later)), subject: type }), 'with fields added later')
    const empty = Buffer.from(JSON.stringify({ ...event, data: {} }))
    t.throws(() => decode({ data: empty, subject: type }), /invalid/, 'without its data it is refused')
  }
})

t.test('every version has events to show, numbered without gaps', async (t) => {
  const found = Map.groupBy(fixtures(), ({ type }) => type)
  const published = [...releases.values()].flatMap((schemas) => [...schemas.keys()])
  t.strictSame([...found.keys()].sort(), [...new Set([...eventTypes, ...published])].sort())
  for (const [type, files] of found) {
    const names = files.map(({ path }) => path.slice(`fixtures/${type}/`.length)).sort()
    t.strictSame(names, files.map((_, i) => `${i + 1}.json`).sort(), type)
  }
})

t.test("the readers of every release read today's events", async (t) => {
  t.ok(releases.size > 0, 'there is a release')
  for (const [release, schemas] of releases) {
    for (const [type, published] of schemas) {
      const schema = today.get(type)
      if (!schema) continue // the gate below says so
      t.strictSame(refusals(published, corners(schema)), [], `${type} of ${release}`)
      t.strictSame(refusals(schema, corners(published)), [], `and today's reads those of ${release}`)
    }
  }
})

// The gate itself ---------------------------------------------------------------------------------------------------

const TYPE = 'orders.created.v1'
/** The harm is done to a schema that stays as it is, so that what is added some day cannot get in its way. */
const original = releases.get('0.1.0')?.get(TYPE)
/** Events already published are refused by today's reader; or today's events by readers not upgraded yet; or neither. */
type Victim = 'events' | 'readers' | 'nobody yet'
interface Planted {
  rule: Rule
  field: string
  victim: Victim
  // biome-ignore lint/suspicious/noExplicitAny: broken on purpose, at places that the type does not know
  change: (schema: any) => void
  /** What is published, when it is not the schema itself. */
  // biome-ignore lint/suspicious/noExplicitAny: the same
  before?: (schema: any) => void
}

const without = (names: string[], name: string) => names.filter((one) => one !== name)

const planted: readonly Planted[] = [
  {
    rule: 'field removed',
    field: 'data.description',
    victim: 'readers',
    change: ({ properties: { data } }) => {
      delete data.properties.description
      data.required = without(data.required, 'description')
    },
  },
  { rule: 'field removed', field: 'causationid', victim: 'nobody yet', change: (s) => delete s.properties.causationid },
  {
    rule: 'field required',
    field: 'data.discount',
    victim: 'events',
    change: ({ properties: { data } }) => {
      data.properties.discount = { type: 'integer' }
      data.required.push('discount')
    },
  },
  { rule: 'field required', field: 'traceparent', victim: 'events', change: (s) => s.required.push('traceparent') },
  {
    rule: 'field no longer required',
    field: 'data.userRegistered',
    victim: 'readers',
    change: ({ properties: { data } }) => {
      data.required = without(data.required, 'userRegistered')
    },
  },
  {
    rule: 'type changed',
    field: 'data.amount',
    victim: 'events',
    change: (s) => {
      s.properties.data.properties.amount = { type: 'string', minLength: 1 }
    },
  },
  {
    rule: 'values removed',
    field: 'data.reason',
    victim: 'events',
    before: withReason,
    change: (s) => s.properties.data.properties.reason.enum.pop(),
  },
  {
    rule: 'values added',
    field: 'data.reason',
    victim: 'readers',
    before: withReason,
    change: (s) => s.properties.data.properties.reason.enum.push('account_closed'),
  },
  {
    rule: 'values removed',
    field: 'data.userRegistered',
    victim: 'events',
    change: (s) => {
      s.properties.data.properties.userRegistered.const = true
    },
  },
  {
    rule: 'limit narrowed',
    field: 'data.amount',
    victim: 'events',
    change: (s) => {
      s.properties.data.properties.amount.maximum = 1_000
    },
  },
  {
    rule: 'limit narrowed',
    field: 'id',
    victim: 'events',
    change: (s) => {
      s.properties.id.minLength = 36
    },
  },
  {
    rule: 'limit widened',
    field: 'data.amount',
    victim: 'readers',
    change: (s) => {
      s.properties.data.properties.amount.minimum = 0
    },
  },
  {
    rule: 'limit widened',
    field: 'data.description',
    victim: 'readers',
    change: (s) => {
      s.properties.data.properties.description.maxLength = 1_000
    },
  },
  {
    rule: 'form changed',
    field: 'data.currency',
    victim: 'events',
    change: (s) => {
      s.properties.data.properties.currency.pattern = '^(RUB|USD)$'
    },
  },
  {
    rule: 'unknown fields refused',
    field: 'data',
    victim: 'events',
    before: (s) => {
      s.properties.data.properties.note = { type: 'string' } // so that one of the events has more than today's schema
    },
    change: (s) => {
      s.properties.data.additionalProperties = false
    },
  },
  {
    rule: 'field added where unknown ones are refused',
    field: 'data.note',
    victim: 'readers',
    before: (s) => {
      s.properties.data.additionalProperties = false
    },
    change: (s) => {
      s.properties.data.properties.note = { type: 'string' }
    },
  },
]

// biome-ignore lint/suspicious/noExplicitAny: see Planted
function withReason(schema: any): void {
  schema.properties.data.properties.reason = { type: 'string', enum: ['insufficient_funds', 'account_not_found'] }
  schema.properties.data.required.push('reason')
}

/** A published schema and what somebody made of it. */
function plant({ before, change }: Pick<Planted, 'before' | 'change'>): { published: JsonSchema; changed: JsonSchema } {
  const published = structuredClone(original) as JsonSchema
  before?.(published)
  const changed = structuredClone(published)
  change(changed)
  return { published, changed }
}

t.test('a change that breaks somebody is named, with its field and rule', async (t) => {
  for (const one of planted) {
    const { published, changed } = plant(one)
    const changes = breakingChanges(published, changed)
    const name = `${one.field}: ${one.rule}`
    t.strictSame(
      changes.map(({ field, rule }) => ({ field, rule })),
      [{ field: one.field, rule: one.rule }],
      name,
    )
    const [first] = changes
    const sentence = first ? explain(TYPE, first) : ''
    t.match(sentence, `${TYPE}, ${one.field}: ${one.rule} (`, 'the sentence says where and what')
    t.match(sentence, `publish orders.created.v2 beside it`, 'and the way out')
    t.notMatch(sentence, 'undefined')

    // That the rule is right: somebody does refuse something.
    const eventsRefused = refusals(changed, corners(published)).length > 0
    const readersRefuse = one.rule === 'form changed' || refusals(published, corners(changed)).length > 0
    if (one.victim === 'events') t.ok(eventsRefused, `${name} breaks published events`)
    if (one.victim === 'readers') t.ok(readersRefuse, `${name} breaks readers`)
  }
  t.strictSame(
    [...new Set([...planted.map(({ rule }) => rule), 'version removed'])].sort(),
    Object.keys(rules).sort(),
    'every rule was broken',
  )
})

t.test('a renamed field is guessed', async (t) => {
  const { published, changed } = plant({
    change: ({ properties: { data } }) => {
      data.properties.price = data.properties.amount
      delete data.properties.amount
      data.required = data.required.map((name: string) => (name === 'amount' ? 'price' : name))
    },
  })
  t.strictSame(breakingChanges(published, changed), [
    { field: 'data.amount', rule: 'field removed', detail: 'renamed to price?' },
    { field: 'data.price', rule: 'field required', detail: 'is new' },
  ])
})

t.test('what breaks nobody may change', async (t) => {
  // biome-ignore lint/suspicious/noExplicitAny: see Planted
  const allowed: Record<string, (schema: any) => void> = {
    'a new optional field': ({ properties: { data } }) => {
      data.properties.discount = { type: 'integer', minimum: 0, maximum: 5 }
    },
    'a new optional field in the envelope': ({ properties }) => {
      properties.tenant = { type: 'string', minLength: 1 }
    },
    'a new optional object': ({ properties: { data } }) => {
      data.properties.address = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    },
    texts: (schema) => {
      schema.title = 'x'
      schema.examples = []
      schema.properties.data.properties.description.description = 'x'
      delete schema.properties.data.properties.amount.examples
    },
  }
  for (const [name, change] of Object.entries(allowed)) {
    const { published, changed } = plant({ change })
    t.notSame(changed, published, name)
    t.strictSame(breakingChanges(published, changed), [], name)
    t.strictSame(refusals(published, corners(changed)), [], 'readers not upgraded yet read it')
    t.strictSame(refusals(changed, corners(published)), [], 'and what is published is read')
  }
  const more = new Map([...today, ['orders.created.v2', { type: 'object' }]])
  t.strictSame(incompatible(more), incompatible(today), 'a new version beside the old one')
})

t.test('a version that is gone is named', async (t) => {
  const less = new Map([...today].filter(([type]) => type !== TYPE))
  const found = incompatible(less).filter((sentence) => sentence.startsWith(TYPE))
  t.match(found, [/^orders\.created\.v1: version removed .* Keep orders\.created\.v1 in events\.ts/])
})
