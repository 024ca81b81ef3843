/** Whatever the API takes, the readers of the event that tells of it take too: otherwise a 201 would end as a dead letter. */

import { eventExamples } from '@checkout/contracts/event-examples.ts'
import { NewOrder, NewUser } from '@checkout/contracts/http.ts'
import { MAX_AMOUNT } from '@checkout/contracts/values.ts'
import { buildValidator } from '@checkout/http/validation.ts'
import { decode } from '@checkout/messaging/decode.ts'
import t from 'tap'

const validator = buildValidator({})
const takenBy = (schema: object) => validator({ schema, httpPart: 'body' })
const asBytes = (event: object) => Buffer.from(JSON.stringify(event))

const texts = ['x', 'x'.repeat(100), '\u0000', '\u2028', '\u200d', '"\\\n</p>', 'é'.repeat(50), '👩‍🚀'.repeat(33)]
/** In ASCII: some of these would end the line of a test report. */
const shown = (body: object) =>
  JSON.stringify(body)
    .replace(/[^ -~]/gu, (c) => `<${c.codePointAt(0)?.toString(16)}>`)
    .slice(0, 60)
const label = (length: number) => 'x'.repeat(length)
const emails = [
  'ada@example.com',
  `${label(64)}@example.com`,
  `${label(200)}@example.com`,
  `a@${label(63)}.com`,
  `a@${label(64)}.com`,
  `a@${label(248)}.de`,
  `a@${'b.'.repeat(120)}de`,
  "!#$%&'*+/=?^_`{|}~-@example.com",
  'a@xn--bcher-kva.example',
  'a@1.2',
  'A@EXAMPLE.COM',
]

t.test('registrations', async (t) => {
  const taken = takenBy(NewUser)
  const [{ event }] = eventExamples['users.registered.v1'] as [(typeof eventExamples)['users.registered.v1'][number]]
  const bodies = [
    ...emails.map((email) => ({ name: 'Ada', email })),
    ...texts.map((name) => ({ name, email: 'a@b.de' })),
  ]
  for (const body of bodies) {
    t.ok(taken(body), `the API takes ${shown(body)}`)
    const data = asBytes({ ...event, data: { userId: 'ada', ...body } })
    t.doesNotThrow(() => decode({ data, subject: event.type }), 'and so does a reader')
  }
})

t.test('orders', async (t) => {
  const taken = takenBy(NewOrder)
  const [{ event }] = eventExamples['orders.created.v1'] as [(typeof eventExamples)['orders.created.v1'][number]]
  const descriptions = [...texts, 'x'.repeat(500), '👩‍🚀'.repeat(166)]
  for (const body of descriptions.flatMap((description) =>
    [1, MAX_AMOUNT].map((amount) => ({ amount, description })),
  )) {
    t.ok(taken(body), `the API takes ${shown(body)}`)
    const data = asBytes({ ...event, data: { ...event.data, ...body } })
    t.doesNotThrow(() => decode({ data, subject: event.type }), 'and so does a reader')
  }
})
