/**
 * The parts of docs/events.md that come from the contracts: tables, fields, examples. They stand between
 * `<!-- <name>: generated -->` and `<!-- /<name> -->`; `npm run schemas` writes them, and a test fails when one is stale.
 */
import { asyncApiDocument } from './asyncapi.ts'
import { type JsonSchema, rules } from './compatibility.ts'
import { eventExamples } from './event-examples.ts'
import { type EventType, eventData, eventSchemas, eventTypes } from './events.ts'
import { paidLetter } from './examples.ts'
import { type Field, fieldsOf } from './fields.ts'
import { eventGuide, signals } from './guide.ts'
import { PushedLetter, PushReady } from './http.ts'
import type { ServiceName } from './services.ts'
import { publisherOf, streamOf, subscriptions } from './topology.ts'

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), `|${head.map(() => '---|').join('')}`, ...rows.map(row)].join('\n')
const json = (value: unknown) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``
const code = (text: string) => `\`${text}\``
const descriptionOf = (schema: object) => (schema as { description?: string }).description ?? ''
const plain = (schema: object) => JSON.parse(JSON.stringify(schema)) as JsonSchema
/** As GitHub makes it of a heading. */
const anchor = (heading: string) =>
  heading
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-')
    .toLowerCase()

const fieldTable = (fields: readonly Field[]) =>
  table(
    ['field', 'value', 'meaning'],
    fields.map(({ name, form, required, description }) => [
      code(name),
      `${form}${required ? '' : ' (optional)'}`,
      description,
    ]),
  )

const readersOf = (type: EventType): ServiceName[] =>
  subscriptions.filter(({ subject }) => subject === type).map(({ service }) => service)

const overview = () =>
  table(
    ['event', 'sent by', 'read by', 'when'],
    eventTypes.map((type) => [
      `[${code(type)}](#${anchor(type)})`,
      publisherOf(type),
      readersOf(type).join(', '),
      descriptionOf(eventData[type]),
    ]),
  )

/** The same in all events: what one of them says, without its data. */
function envelope(): string {
  const fields = fieldsOf(plain(eventSchemas['orders.created.v1'])).filter(({ name }) => !/^data(\.|$)/.test(name))
  const own = ({ name, form, ...rest }: Field) => ({ ...rest, name, form: name === 'type' ? 'the event type' : form })
  return fieldTable(fields.map(own))
}

function headers(): string {
  const { schemas } = asyncApiDocument().components as { schemas: { EventHeaders: JsonSchema } }
  return table(
    ['header', 'meaning'],
    fieldsOf(schemas.EventHeaders).map(({ name, description }) => [code(name), description]),
  )
}

const events = () => eventTypes.map(eventSection).join('\n\n')

function eventSection(type: EventType): string {
  const { when, often, causes } = eventGuide[type]
  const cause = causes.map((one) => `[${code(one)}](#${anchor(one)})`).join(', ') || 'none: a request caused it'
  const facts = [
    `- **Sent by** ${publisherOf(type)}, on the stream ${streamOf(type).name}. ${when}`,
    `- **How often.** ${often}`,
    `- **Caused by** (${code('causationid')}): ${cause}.`,
    ...readersOf(type).map((service) => {
      const reader = eventGuide[type].readers[service]
      return `- **Read by** ${service}. ${reader?.does} *Once:* ${reader?.once}`
    }),
  ]
  const data = fieldsOf(plain(eventData[type]))
  const examples = eventExamples[type].map(({ summary, event }) => `${summary}\n\n${json(event)}`)
  return [`### ${type}`, descriptionOf(eventData[type]), facts.join('\n'), fieldTable(data), ...examples].join('\n\n')
}

const signalTable = () =>
  table(
    ['subject', 'sent by', 'when', 'what it does', 'when it gets lost'],
    signals.map(({ address, senders, when, effect, missed }) => [
      code(address.replace('{', '<').replace('}', '>')),
      senders.join(', '),
      when,
      effect,
      missed,
    ]),
  )

const frames = () =>
  [
    ['`notification`', PushedLetter, { type: 'notification', ...paidLetter }] as const,
    ['`ready`', PushReady, { type: 'ready', seq: paidLetter.seq }] as const,
  ]
    .map(([name, schema, example]) =>
      [`### ${name}`, descriptionOf(schema), fieldTable(fieldsOf(plain(schema))), json(example)].join('\n\n'),
    )
    .join('\n\n')

const ruleTable = () => table(['change', 'breaks'], Object.entries(rules))

const blocks: Readonly<Record<string, () => string>> = {
  overview,
  envelope,
  headers,
  events,
  signals: signalTable,
  frames,
  rules: ruleTable,
}

/** The text with every generated part as it would be made now. @throws Error when one of them has no place in it */
export function withGeneratedParts(markdown: string): string {
  return Object.entries(blocks).reduce((text, [name, make]) => {
    const [start, end] = [`<!-- ${name}: generated -->\n`, `\n<!-- /${name} -->`]
    const from = text.indexOf(start)
    const to = text.indexOf(end, from)
    if (from === -1 || to === -1) throw new Error(`docs/events.md has no place for ${start.trim()} … ${end.trim()}`)
    return `${text.slice(0, from + start.length)}\n${make()}\n${text.slice(to)}`
  }, markdown)
}
