/**
 * The AsyncAPI document as a static page, /docs/events/: HTML and CSS, no script, nothing from elsewhere, so that the
 * service's Content-Security-Policy holds without an exception. AsyncAPI's own React component is 3 MB of script that
 * compiles schemas from text while it loads: under this policy it shows nothing but an EvalError.
 *
 * It shows what this document has, and throws at what it does not know where.
 */
import type { JsonSchema } from '@checkout/contracts/compatibility.ts'
import { type Field, fieldsOf } from '@checkout/contracts/fields.ts'

interface Ref {
  $ref: string
}
interface Server {
  host: string
  protocol: string
  description?: string
}
interface Message {
  name: string
  title: string
  summary: string
  description?: string
  contentType?: string
  headers?: Ref
  payload?: Ref
  examples?: { summary: string; headers?: object; payload: object }[]
}
interface Channel {
  address: string
  summary: string
  description: string
  servers: Ref[]
  parameters?: Record<string, { description: string; enum?: string[] }>
  messages: Record<string, Ref>
  bindings?: { ws?: { query?: JsonSchema } }
}
interface Operation {
  action: 'send' | 'receive'
  channel: Ref
  title: string
  description?: string
  tags: Ref[]
}
/** The part of AsyncAPI 3 that the document uses. */
export interface AsyncApi {
  info: { title: string; version: string; description: string }
  servers: Record<string, Server>
  channels: Record<string, Channel>
  operations: Record<string, Operation>
}

export function eventsPage(document: AsyncApi): string {
  const { info, servers, channels } = document
  const ids = Object.keys(channels)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(info.title)} · Documentation</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page.css">
</head>
<body>
<nav aria-label="Documentation">
<a href="/">← Back to the shop</a>
<a href="../">HTTP API</a>
<a href="asyncapi.json">AsyncAPI document</a>
</nav>
<main>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1>
${prose(info.description)}
${table(
  ['Channel', 'Sent by', 'Read by', 'What it says'],
  ids.map((id) => overviewRow(document, id)),
  'All channels',
)}
${ids.map((id) => channelSection(document, id)).join('\n')}
<section aria-labelledby="servers">
<h2 id="servers">Servers</h2>
${table(
  ['Server', 'Protocol', 'What it is'],
  Object.values(servers).map(({ host, protocol, description }) => [code(host), escaped(protocol), inline(description)]),
  'All servers',
)}
</section>
</main>
</body>
</html>
`
}

function overviewRow(document: AsyncApi, id: string): string[] {
  const channel = document.channels[id] as Channel
  const { send, receive } = operationsOn(document, id)
  return [
    `<a href="#${escaped(id)}">${code(channel.address)}</a>`,
    services(send),
    services(receive),
    inline(channel.summary),
  ]
}

function channelSection(document: AsyncApi, id: string): string {
  const channel = document.channels[id] as Channel
  const { send, receive } = operationsOn(document, id)
  const parameters = Object.entries(channel.parameters ?? {}).map(([name, { description, enum: values }]) => [
    code(name),
    values ? values.map(code).join(' or ') : 'any',
    inline(description),
  ])
  const query = channel.bindings?.ws?.query
  const messages = Object.values(channel.messages).map((ref) => resolve<Message>(document, ref))
  return `<section aria-labelledby="${escaped(id)}">
<h2 id="${escaped(id)}">${code(channel.address)}</h2>
<p class="summary">${inline(channel.summary)}</p>
${prose(channel.description)}
${parameters.length > 0 ? table(['Part of the subject', 'Value', 'Meaning'], parameters, `Subject of ${id}`) : ''}
${query ? fieldTable(fieldsOf(query), 'Query', `Query of ${id}`) : ''}
<ul class="operations">
${[...send, ...receive].map(operationItem).join('\n')}
</ul>
${messages.map((message) => messageSection(document, message, messages.length > 1)).join('\n')}
</section>`
}

const operationItem = ({ action, title, description }: Operation) =>
  `<li class="${action}"><b>${escaped(title)}.</b>${description ? prose(description) : ''}</li>`

function messageSection(document: AsyncApi, message: Message, several: boolean): string {
  const payload = message.payload && resolve<JsonSchema>(document, message.payload)
  const headers = message.headers && resolve<JsonSchema>(document, message.headers)
  return `${several ? `<h3>${escaped(message.title)}</h3>\n<p>${inline(message.summary)}</p>` : ''}
${message.description ? prose(message.description) : ''}
${payload ? payloadTables(payload, message.title) : ''}
${headers ? folded('NATS headers', fieldTable(fieldsOf(headers), 'Header', `Headers of ${message.title}`)) : ''}
${(message.examples ?? []).map(({ summary, payload: example }) => folded(`Example: ${summary}`, pre(example))).join('\n')}`
}

/** What is special in an event is its data; the envelope around it is in all events the same. */
function payloadTables(payload: JsonSchema, title: string): string {
  const data = payload.properties?.data
  if (!data?.properties) return fieldTable(fieldsOf(payload), 'Field', `Fields of ${title}`)
  const envelope = fieldsOf(payload).filter(({ name }) => !name.startsWith('data.'))
  return `${fieldTable(fieldsOf(data, 'data.'), 'Field', `Data of ${title}`)}
${folded('The envelope', fieldTable(envelope, 'Field', `Envelope of ${title}`))}`
}

const fieldTable = (fields: readonly Field[], head: string, label: string) =>
  table(
    [head, 'Value', 'Meaning'],
    fields.map(({ name, form, required, description }) => [
      code(name),
      `${inline(form)}${required ? '' : ' <em>(optional)</em>'}`,
      inline(description),
    ]),
    label,
  )

/** The cells are HTML. Wide ones scroll by themselves, also by keyboard. */
const table = (head: readonly string[], rows: readonly (readonly string[])[], label: string) =>
  `<div class="table" role="region" aria-label="${escaped(label)}" tabindex="0"><table>
<thead><tr>${head.map((text) => `<th scope="col">${escaped(text)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n')}
</tbody></table></div>`

const folded = (summary: string, content: string) =>
  `<details><summary>${inline(summary)}</summary>\n${content}\n</details>`
const pre = (value: object) => `<pre tabindex="0">${escaped(JSON.stringify(value, null, 2))}</pre>`
const code = (text: string) => `<code>${escaped(text)}</code>`

/** Paragraphs, with code in backticks: all the Markdown that the document uses. */
const prose = (text: string) =>
  text
    .split('\n\n')
    .map((paragraph) => `<p>${inline(paragraph)}</p>`)
    .join('\n')
const inline = (text = '') => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>')
const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => escapes[character] ?? character)

/** Who performs them: the only tag of each. */
const services = (operations: readonly Operation[]) =>
  operations
    .map(({ tags: [tag] }) => tag?.$ref.slice('#/components/tags/'.length) ?? '')
    .map((name) => `<span class="service">${escaped(name)}</span>`)
    .join('<br>')

function operationsOn(document: AsyncApi, channel: string) {
  const on = Object.values(document.operations).filter((one) => one.channel.$ref === `#/channels/${channel}`)
  return {
    send: on.filter(({ action }) => action === 'send'),
    receive: on.filter(({ action }) => action === 'receive'),
  }
}

/** @throws Error when it points to nothing */
function resolve<T>(document: AsyncApi, { $ref }: Ref): T {
  const found = $ref
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)
  if (found === undefined) throw new Error(`the AsyncAPI document has nothing at ${$ref}`)
  return found as T
}
