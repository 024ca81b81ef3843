import t from 'tap'
import { DoubledKey, parseStrictJson } from '../src/strict-json.ts'

function refusalOf(text: string): unknown {
  try {
    parseStrictJson(text)
    return undefined
  } catch (error) {
    return error
  }
}

t.test('what JSON.parse keeps exactly is the same here', async (t) => {
  for (const text of [
    'null',
    '"a\\"b: c"',
    '{}',
    '{"a":{"a":[{"a":1},{"a":2}]},"b":"\\"a\\":1","":0}',
    '{"a" \r\n\t: -1.5e3, "b":0.1, "c":-0, "d":9007199254740991}',
    '["a:",":","{\\"a\\":1,\\"a\\":2}","\\\\","\\ud83d\\ude00"]',
    '{"constructor":1,"toString":2}',
    '[1,1.0,1e2,10e-1,0e999,100E-2,0.10e+1,123456789012345.0]',
  ]) {
    t.strictSame(parseStrictJson(text), JSON.parse(text), text)
  }
  t.ok(parseStrictJson(`${'['.repeat(8_000)}${']'.repeat(8_000)}`), 'as deep as a body can be')
  const { __proto__: own } = Object.getOwnPropertyDescriptors(parseStrictJson('{"__proto__":1}') as object)
  t.equal(own?.value, 1, '__proto__ is a field like any other')
})

t.test('doubled keys', async (t) => {
  for (const text of [
    '{"amount":1,"amount":4262}',
    '{"amount":1,"amount":1}',
    '{"amount":1,"\\u0061mount":4262}',
    '{"\\u0061":1,"\\u0061":2}',
    '{"a":1,"b":{},"a" :null}',
    '[{"a":[{"b":1,"b":{"c":1}}]}]',
    '{"__proto__":1,"__proto__":2}',
    '{"__proto__":1,"__pr\\u006fto__":2}',
    '{"constructor":1,"constructor":2}',
    '{"":1,"":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"0":1,"0":2}',
  ]) {
    t.ok(refusalOf(text) instanceof DoubledKey, text)
  }
})

t.test('numbers that a double would round to an integer', async (t) => {
  for (const literal of [
    '999999999999.99999',
    '1.0000000000000000001',
    '4262.00000000000000001',
    '9007199254740993',
    '9007199254740992',
    '-9007199254740993',
    '1e16',
    '0.99999999999999999999',
    '1e-400',
    '1e400',
    `0.${'0'.repeat(8_000)}1`,
    `1${'0'.repeat(8_000)}1e-8001`,
  ]) {
    t.same(parseStrictJson(`{"a":[${literal}],"b":1}`), { a: [Number.NaN], b: 1 }, literal.slice(0, 40))
  }
  t.equal(parseStrictJson('1.5'), 1.5, 'a fraction is for the schema to refuse')
})

t.test('what is no JSON, or no Unicode', async (t) => {
  for (const text of ['', '{', '01', '+1', '1.', '.5', 'NaN', "{'a':1}", '{"a":1,}', '"\\ud83d"', '{"\\udE00":1}']) {
    t.ok(refusalOf(text) instanceof SyntaxError, text)
  }
})
