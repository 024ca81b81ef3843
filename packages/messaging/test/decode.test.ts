import t from 'tap'
import { decode, Poison } from '../src/decode.ts'

const event = (data: string, more = '') =>
  `{"specversion":"1.0","id":"e1","source":"/orders-service","type":"orders.created.v1","time":"2026-11-22T10:15:30.123Z",
  "datacontenttype":"application/json","correlationid":"o1"${more},"data":{"orderId":"01a202c0-f64b-7d3a-9b52-0d4f6c8e1a2b",
  "userId":"ada","userRegistered":true,"currency":"RUB","description":"Sun hat",${data}}}`

const decoded = (text: string) => decode({ data: new TextEncoder().encode(text), subject: 'orders.created.v1' })

t.test('an event whose text and value differ is poison', async (t) => {
  t.match(decoded(event('"amount":4262.0')), { data: { amount: 4262 } })
  for (const [text, message] of [
    [event('"amount":1,"amount":4262'), /twice/],
    [event('"amount":1,"\\u0061mount":4262'), /twice/],
    [event('"amount":1', ',"id":"e2"'), /twice/],
    [event('"amount":4262.00000000000000001'), /\/data\/amount/],
    [event('"amount":999999999999.99999'), /\/data\/amount/],
    [event('"amount":"4262"'), /\/data\/amount/],
    [event('"amount":4262').slice(1), /not JSON/],
  ] as const) {
    t.throws(() => decoded(text), new Poison(), text)
    t.throws(() => decoded(text), { message }, text)
  }
})
