import { problemCodes } from '@checkout/kernel/problem.ts'
import t from 'tap'
import { explain, explainField } from '../ui/model/explain.ts'
import { failure } from '../ui/model/failure.ts'
import * as labels from '../ui/model/labels.ts'
import type { Entry } from '../ui/model/text.ts'
import * as text from '../ui/model/text.ts'
import { isTextKey, translator } from '../ui/model/translate.ts'

const en: Record<string, Entry> = { ...text.en, ...labels.en }
const ru: Record<string, Entry> = { ...text.ru, ...labels.ru }
const forms = (entry: Entry | undefined) => (typeof entry === 'object' ? Object.values(entry) : [entry ?? ''])
const placeholders = (form: string) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()
const withoutValues = (entry: Entry | undefined) =>
  forms(entry)
    .join(' ')
    .replace(/\{\w+\}/g, '')

t.test('both dictionaries', async (t) => {
  t.same(
    Object.keys(text.en).filter((key) => key in labels.en),
    [],
    'no key stands in both files',
  )
  t.same(Object.keys(ru).sort(), Object.keys(en).sort(), 'the same keys')
  t.same(wrong(en, ['one', 'other']), [], 'English')
  t.same(wrong(ru, ['few', 'many', 'one', 'other']), [], 'Russian')
  const names = new Set(['app.name'])
  const untranslated = Object.keys(en).filter(
    (key) => !names.has(key) && /[a-z]{3}/i.test(withoutValues(en[key])) && !/[а-яё]/i.test(withoutValues(ru[key])),
  )
  t.same(untranslated, [], 'each is translated')
})

/** Entries without text, without one of the language's plural forms, or that fill in other values than the English one. */
function wrong(dictionary: Record<string, Entry>, plurals: string[]): string[] {
  return Object.entries(dictionary).flatMap(([key, entry]) => {
    const wanted = placeholders(forms(en[key]).at(-1) ?? '')
    const found = forms(entry).map(placeholders)
    const isFull = forms(entry).every((form) => form !== '' && form === form.trim())
    const hasForms = typeof entry === 'string' || Object.keys(entry).sort().join() === plurals.join()
    // "1 letter" may do without its number; every other value is filled in by each form.
    const fills = found.every((names) => wanted.every((name) => name === 'n' || names.includes(name)))
    const fillsNoOther = found.flat().every((name) => wanted.includes(name ?? ''))
    return isFull && hasForms && fills && fillsNoOther ? [] : [key]
  })
}

t.test('plurals', async (t) => {
  const [english, russian] = [translator('en'), translator('ru')]
  const key = 'field.max_length'
  t.equal(english(key, { n: 1 }), 'At most 1 character, please.')
  t.equal(english(key, { n: 2 }), 'At most 2 characters, please.')
  t.equal(english(key, { n: 10_000 }), 'At most 10,000 characters, please.')
  t.equal(russian(key, { n: 1 }), 'Не больше 1 символа.')
  t.equal(russian(key, { n: 2 }), 'Не больше 2 символов.')
  t.equal(russian(key, { n: 5 }), 'Не больше 5 символов.')
  t.equal(russian(key, { n: 21 }), 'Не больше 21 символа.')
})

t.test('a value that looks like a placeholder is text', async (t) => {
  t.equal(translator('en')('toast.order', { what: '{amount} $& {n}', amount: '$1' }), '“{amount} $& {n}”, $1')
})

t.test('every problem a user can meet is explained', async (t) => {
  // These are for operators, or say that a program speaks HTTP badly; they come in the API's own words.
  const others = [
    'host_forbidden',
    'precondition_failed',
    'range_not_satisfiable',
    'replay_failed',
    'dead_letter_not_found',
    'headers_too_large',
    'request_malformed',
    'body_invalid_json',
    'content_type_unsupported',
    'idempotency_key_invalid',
    'upgrade_required',
  ]
  const missing = Object.keys(problemCodes).filter((code) => !isTextKey(`problem.${code}`) && !others.includes(code))
  t.same(missing, [])
  const known = { ...failure('no_answer', 'raw'), code: 'insufficient_funds' }
  t.match(explain(known, translator('en')), /not enough money/)
  t.match(explain(known, translator('ru')), /недостаточно денег/)
  t.equal(explain({ ...known, code: 'brand_new' }, translator('ru')), 'raw', "an unknown one in the API's words")
})

t.test('messages about fields', async (t) => {
  const english = (message: string) => explainField(message, translator('en'), 'en')
  const russian = (message: string) => explainField(message, translator('ru'), 'ru').replace(/\u00a0/g, ' ')
  t.equal(english('is required'), 'Please fill this in.')
  t.equal(english('must not be empty'), 'Please fill this in.')
  t.equal(english('must have at most 500 characters'), 'At most 500 characters, please.')
  t.equal(english('must be at most 10000000000.00'), 'At most 10,000,000,000.00, please.')
  t.equal(russian('must be at most 10000000000.00'), 'Не больше 10 000 000 000,00.')
  t.equal(russian('must be at least 0.01'), 'Не меньше 0,01.')
  t.equal(russian('must be an amount such as 1499.00'), 'Введите сумму, например 1 499,00.')
  t.equal(russian('must have at most 2 decimals'), 'Не больше 2 знаков после запятой.')
  t.equal(russian('must be an e-mail address'), 'Введите адрес почты, например ada@example.com.')
  t.equal(russian('is something new'), 'is something new', "an unknown one in the API's words")
})
