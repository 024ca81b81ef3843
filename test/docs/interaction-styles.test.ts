/**
 * The designs of docs/interaction-styles.md hold together: every arrow is an operation or a message of its style's IDL,
 * between the services that have it, and nothing in an IDL is undrawn. What this system's IDL says is what its code does.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { publisherOf, subscriptions } from '@checkout/contracts/topology.ts'
import t, { type Test } from 'tap'
import { notificationsApp } from '../../notifications-service/test/app.ts'
import { ordersApp } from '../../orders-service/test/app.ts'
import { paymentsApp } from '../../payments-service/test/app.ts'
import { folder, type HttpOperation, type Idl, readIdl } from './idl.ts'
import { type Arrow, arrowsOf } from './sequence.ts'

const docs = join(import.meta.dirname, '../../docs')
const styles = ['a-http-only', 'b-http-and-letters-by-event', 'c-event-collaboration', 'd-this-system']
const scenes = ['registration', 'deposit', 'success', 'insufficient-funds']
const THIS_SYSTEM = 'd-this-system'

/** What is wrong with a diagram, in sentences; what it uses is added to `drawn`. */
function mistakes(arrows: readonly Arrow[], idl: Idl, drawn = new Set<string>()): string[] {
  const open: { arrow: Arrow; operation: HttpOperation | undefined }[] = []
  const inBroker = new Set<string>()
  /** Who has a reason to act: nobody but the user begins. */
  const reached = new Set(['User', 'Broker'])
  const wrong: string[] = []

  function call(arrow: Arrow) {
    const operation = idl.http.find(({ id }) => id === arrow.name)
    if (!operation) wrong.push(`no operation ${arrow.name}`)
    else if (operation.service !== arrow.to) wrong.push(`${arrow.name} is not an operation of ${arrow.to}`)
    drawn.add(arrow.name)
    open.push({ arrow, operation })
  }
  function reply({ from, to, name, status = '' }: Arrow) {
    const called = open.pop()
    if (called?.arrow.from !== to || called.arrow.to !== from) return wrong.push(`${status} ${name} answers nobody`)
    const body = called.operation?.answers.get(status)
    if (body !== name) wrong.push(`${called.arrow.name} does not answer ${status} ${name}, but ${body}`)
    return undefined
  }
  function event({ from, to, name }: Arrow) {
    const [action, service] = from === 'Broker' ? (['receive', to] as const) : (['send', from] as const)
    const operation = idl.messages.find((o) => o.action === action && o.service === service && o.messages.has(name))
    if (!operation) wrong.push(`${service} has no operation that is to ${action} ${name}`)
    drawn.add(`${operation?.id} ${name}`)
    if (to === 'Broker') inBroker.add(name)
    if (from === 'Broker' && !inBroker.has(name)) wrong.push(`nobody has sent ${name}`)
  }
  for (const arrow of arrows) {
    if (!reached.has(arrow.from)) wrong.push(`${arrow.from} does ${arrow.name} without a cause`)
    reached.add(arrow.to)
    ;({ call, reply, event })[arrow.kind](arrow)
  }
  return [...wrong, ...open.map(({ arrow }) => `${arrow.name} gets no answer`)]
}

const read = (style: string, scene: string) => readFileSync(join(docs, 'diagrams', `${style}.${scene}.mmd`), 'utf8')

for (const style of styles) {
  t.test(style, async (t) => {
    const idl = await readIdl(style)
    const drawn = new Set<string>()
    for (const scene of scenes) {
      const arrows = arrowsOf(read(style, scene))
      t.ok(arrows.length >= 2, `${scene}: ${arrows.length} arrows`)
      t.strictSame(mistakes(arrows, idl, drawn), [], scene)
    }
    const all = [
      ...idl.http.map(({ id }) => id),
      ...idl.messages.flatMap(({ id, messages }) => [...messages.keys()].map((name) => `${id} ${name}`)),
    ]
    t.strictSame(
      all.filter((one) => !drawn.has(one)),
      [],
      'nothing in the IDL is undrawn',
    )
  })
}

t.test('the document shows every diagram and names every IDL file', (t) => {
  const text = readFileSync(join(docs, 'interaction-styles.md'), 'utf8')
  const files = [
    ...globSync('*.yaml', { cwd: folder }).map((file) => `interaction-styles/${file}`),
    ...styles.flatMap((style) => scenes.map((scene) => `diagrams/${style}.${scene}.svg`)),
  ]
  t.strictSame(
    files.filter((file) => !text.includes(`(${file})`)),
    [],
  )
  t.equal(files.length, 7 + 16)
  t.end()
})

t.test('mistakes are found', async (t) => {
  const idl = await readIdl(THIS_SYSTEM)
  const success = read(THIS_SYSTEM, 'success')
  const planted: [string, string, RegExp][] = [
    ['U->>O: placeOrder', 'U->>O: makeOrder', /no operation makeOrder/],
    ['U->>O: placeOrder', 'U->>P: placeOrder', /not an operation of Payments/],
    ['201 Order', '201 Account', /placeOrder does not answer 201 Account, but Order/],
    ['201 Order', '202 Order', /placeOrder does not answer 202 Order/],
    ['O-->>U: 201', 'P-->>U: 201', /201 Order answers nobody/],
    ['  O-->>U: 201 Order (pending)\n', '', /placeOrder gets no answer/],
    ['O-)B: orders.created.v1', 'O-)B: orders.created.v2', /Orders has no operation that is to send orders.created.v2/],
    ['O-)B: orders.created.v1', 'P-)B: orders.created.v1', /Payments has no operation that is to send/],
    ['B-)P: orders.created.v1', 'B-)N: orders.created.v1', /Notifications has no operation that is to receive/],
    ['  P-)B: payments.succeeded.v1\n', '', /nobody has sent payments.succeeded.v1/],
    ['  B-)P: orders.created.v1\n', '', /Payments does payments.succeeded.v1 without a cause/],
  ]
  for (const [from, to, sentence] of planted) {
    t.ok(success.includes(from), from)
    t.match(mistakes(arrowsOf(success.replace(from, to)), idl).join(), sentence)
  }
  t.throws(() => arrowsOf(success.replace('U->>O', 'U-x O')), /not understood/)
  await t.rejects(readIdl('e-none'))
})

/** The documents that the services themselves serve, over all routes. */
async function served(t: Test) {
  const apps = [await ordersApp(t), await paymentsApp(t), await notificationsApp(t)]
  const documents = await Promise.all(apps.map(async ({ app }) => (await app.inject('/docs/json')).json()))
  return (service: string, { path, method }: HttpOperation) =>
    documents[['Orders', 'Payments', 'Notifications'].indexOf(service)]?.paths[path]?.[method]
}

t.test("this system's IDL is what the code does", async (t) => {
  const idl = await readIdl(THIS_SYSTEM)
  const find = await served(t)
  for (const operation of idl.http) {
    const real = find(operation.service, operation)
    if (!t.equal(real?.operationId, operation.id, operation.id)) continue
    for (const [status, title] of operation.answers) {
      const [media] = Object.values(real.responses[status]?.content ?? {}) as { schema: { $ref: string } }[]
      t.equal(media?.schema.$ref, `#/components/schemas/${title}`, `${operation.id} ${status}`)
    }
  }
  const told = idl.messages.filter(({ messages }) => !messages.has('notification'))
  for (const { messages } of told) {
    for (const [name, title] of messages) t.equal(title, name, 'the payload is the published schema')
  }
  const lines = (action: string) =>
    told.filter((o) => o.action === action).flatMap((o) => [...o.messages.keys()].map((name) => `${o.service} ${name}`))
  const label = (service: string) => (service[0] as string).toUpperCase() + service.slice(1).replace('-service', '')
  t.strictSame(
    lines('receive').toSorted(),
    subscriptions.map(({ service, subject }) => `${label(service)} ${subject}`).toSorted(),
    'who reads what',
  )
  const types = [...new Set(subscriptions.map(({ subject }) => subject))]
  t.strictSame(lines('send').toSorted(), types.map((type) => `${label(publisherOf(type))} ${type}`).toSorted())
})
