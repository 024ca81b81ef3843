import * as values from '@checkout/contracts/values.ts'
import t from 'tap'
import { digitsOf, formatMoney, MAX_AMOUNT, parseAmount } from '../ui/model/money.ts'

const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ')

t.test('amounts as people type them', async (t) => {
  const amounts: readonly (readonly [text: string, currency: string, minor: number])[] = [
    ['1499', 'RUB', 149_900],
    ['1499.00', 'RUB', 149_900],
    ['1499,5', 'RUB', 149_950],
    ['1499.', 'RUB', 149_900],
    [',5', 'RUB', 50],
    ['.05', 'RUB', 5],
    ['0,01', 'RUB', 1],
    ['007', 'RUB', 700],
    ['+12', 'RUB', 1_200],
    [' 1 499,00 ', 'RUB', 149_900],
    ['1\u00a0499,00\u00a0₽', 'RUB', 149_900],
    ['1\u202f499', 'RUB', 149_900],
    ['₽1,499.00', 'RUB', 149_900],
    ['RUB 1,499.00', 'RUB', 149_900],
    ['1499 rub', 'RUB', 149_900],
    ['1.499,00', 'EUR', 149_900],
    ["1'499.50", 'CHF', 149_950],
    ['1,234,567', 'USD', 123_456_700],
    ['1.234.567', 'EUR', 123_456_700],
    ['1 234 567.8', 'USD', 123_456_780],
    ['¥1,499', 'JPY', 1_499],
    ['1499', 'JPY', 1_499],
    ['1,499', 'JPY', 1_499],
    ['1,499', 'RUB', 149_900],
    ['1.5', 'KWD', 1_500],
    ['1.500', 'KWD', 1_500],
    ['1,499', 'KWD', 1_499_000],
    ['1,234.567', 'KWD', 1_234_567],
    ['0.001', 'KWD', 1],
    ['10000000000', 'RUB', MAX_AMOUNT],
    ['10 000 000 000,00', 'RUB', MAX_AMOUNT],
    // Floats would make 1.15 * 100 = 114.99999999999999 and 4.35 * 100 = 434.99999999999994 of these.
    ['1.15', 'USD', 115],
    ['4.35', 'USD', 435],
    ['9999999999.99', 'USD', 999_999_999_999],
  ]
  for (const [text, currency, minor] of amounts) {
    t.same(parseAmount(text, currency, 'en'), { ok: true, minor }, `${text} ${currency}`)
  }
})

t.test('the limit is the one of the contract', async (t) => {
  t.equal(MAX_AMOUNT, values.MAX_AMOUNT)
})

t.test('what is no amount, and why', async (t) => {
  const refused: readonly (readonly [text: string, currency: string, message: string])[] = [
    ['', 'RUB', 'must not be empty'],
    ['  ', 'RUB', 'must not be empty'],
    ['₽', 'RUB', 'must not be empty'],
    ['abc', 'RUB', 'must be an amount such as 1499.00'],
    ['1e3', 'RUB', 'must be an amount such as 1499.00'],
    ['0x10', 'RUB', 'must be an amount such as 1499.00'],
    ['12..5', 'RUB', 'must be an amount such as 1499.00'],
    ['1,49,900', 'RUB', 'must be an amount such as 1499.00'],
    ['14 99', 'RUB', 'must be an amount such as 1499.00'],
    ['1,499.00.00', 'RUB', 'must be an amount such as 1499.00'],
    ['.', 'RUB', 'must be an amount such as 1499.00'],
    ['Infinity', 'RUB', 'must be an amount such as 1499.00'],
    ['١٢', 'RUB', 'must be an amount such as 1499.00'],
    ['1.499', 'RUB', 'must have at most 2 decimals'],
    ['0,499', 'RUB', 'must have at most 2 decimals'],
    ['1.499', 'JPY', 'must be a whole number'],
    ['1.2345', 'RUB', 'must have at most 2 decimals'],
    ['0.0001', 'KWD', 'must have at most 3 decimals'],
    ['1.5', 'JPY', 'must be a whole number'],
    ['0', 'RUB', 'must be at least 0.01'],
    ['0,00', 'RUB', 'must be at least 0.01'],
    ['0', 'JPY', 'must be at least 1'],
    ['-5', 'RUB', 'must be at least 0.01'],
    ['−5', 'RUB', 'must be at least 0.01'],
    ['10000000000.01', 'RUB', 'must be at most 10000000000.00'],
    ['99999999999999999999', 'RUB', 'must be at most 10000000000.00'],
    ['1000000000001', 'JPY', 'must be at most 1000000000000'],
  ]
  for (const [text, currency, message] of refused) {
    t.same(parseAmount(text, currency, 'en'), { ok: false, message }, `"${text}" ${currency}`)
  }
})

t.test('a lone separator before three digits means what the language says', async (t) => {
  t.same(parseAmount('1,499', 'RUB', 'ru'), { ok: false, message: 'must have at most 2 decimals' })
  t.same(parseAmount('1,499', 'KWD', 'ru'), { ok: true, minor: 1_499 })
  t.same(parseAmount('0.499', 'KWD', 'ru'), { ok: true, minor: 499 })
  const isOpen = 'may be a thousand or a fraction: nobody guesses'
  t.same(parseAmount('1.499', 'RUB', 'ru'), { ok: false, message: 'must be an amount such as 1499.00' }, isOpen)
  t.same(parseAmount('1.499', 'KWD', 'ru'), { ok: false, message: 'must be an amount such as 1499.000' }, isOpen)
  t.same(parseAmount('1.499', 'JPY', 'ru'), { ok: false, message: 'must be an amount such as 1499' }, isOpen)
})

t.test('every amount survives being shown and typed again', async (t) => {
  const lost: unknown[] = []
  for (const currency of Intl.supportedValuesOf('currency')) {
    for (const minor of [1, 9, 10, 99, 100, 101, 1_499, 123_456, 123_456_789, MAX_AMOUNT]) {
      for (const language of ['en', 'ru'] as const) {
        const shown = formatMoney(minor, currency, language)
        // Some currencies are written with letters ("Kčs"): people type the number, and so does the test.
        const number = shown.replace(/[^\d.,\s]/g, '').replace(/^[.\s]+|[.\s]+$/g, '')
        const parsed = parseAmount(number, currency, language)
        if (!parsed.ok || parsed.minor !== minor) lost.push({ shown, currency, minor, parsed })
      }
    }
  }
  t.same(lost, [])
})

t.test('amounts as people read them', async (t) => {
  t.equal(plain(formatMoney(149_900, 'RUB', 'ru')), '1 499,00 ₽')
  t.equal(plain(formatMoney(149_900, 'RUB', 'en')), '₽1,499.00')
  t.equal(plain(formatMoney(0, 'USD', 'en')), '$0.00')
  t.equal(plain(formatMoney(5, 'USD', 'en')), '$0.05')
  t.equal(plain(formatMoney(149_900, 'JPY', 'en')), '¥149,900')
  t.equal(plain(formatMoney(1_500, 'KWD', 'en')), 'KWD 1.500')
  t.equal(plain(formatMoney(149_900, 'RUB', 'ru', true)), '+1 499,00 ₽')
  t.equal(plain(formatMoney(-149_900, 'RUB', 'ru', true)), '-1 499,00 ₽')
  t.equal(plain(formatMoney(-5, 'USD', 'en')), '-$0.05')
  t.equal(
    plain(formatMoney(Number.MAX_SAFE_INTEGER, 'RUB', 'en')),
    '₽90,071,992,547,409.91',
    'the largest balance, exactly',
  )
  t.equal(formatMoney(149_900, 'no such', 'en'), '1499.00 no such', 'a wrong code does not break the page')
  t.equal(digitsOf('RUB'), 2)
  t.equal(digitsOf('JPY'), 0)
  t.equal(digitsOf('KWD'), 3)
})
