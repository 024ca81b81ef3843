import { currencyCodes, decimalOf } from '@checkout/contracts/currencies.ts'
import * as values from '@checkout/contracts/values.ts'
import t from 'tap'
import { formatMoney, MAX_AMOUNT, parseAmount } from '../ui/model/money.ts'

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

const amounts = [1, 9, 10, 99, 100, 101, 1_499, 123_456, 123_456_789, MAX_AMOUNT]
const languages = ['en', 'ru'] as const

t.test('every amount survives being shown and typed again, also with its currency', async (t) => {
  const lost: unknown[] = []
  for (const currency of currencyCodes) {
    for (const minor of amounts) {
      for (const language of languages) {
        for (const signed of [false, true]) {
          const shown = formatMoney(minor, currency, language, signed)
          const parsed = parseAmount(shown, currency, language)
          if (!parsed.ok || parsed.minor !== minor) lost.push({ shown, currency, minor, parsed })
        }
      }
    }
  }
  t.same(lost, [])
})

t.test('every amount is shown with the digits of ISO 4217, to the last unit', async (t) => {
  const wrong: unknown[] = []
  for (const currency of currencyCodes) {
    for (const minor of [0, ...amounts, -149_900, Number.MAX_SAFE_INTEGER]) {
      for (const language of languages) {
        const shown = formatMoney(minor, currency, language)
        const parts = Object.groupBy(
          new Intl.NumberFormat(language, {
            style: 'currency',
            currency,
            currencyDisplay: 'narrowSymbol',
          }).formatToParts(0),
          ({ type }) => type,
        )
        const symbol = parts.currency?.[0]?.value ?? ''
        const decimal = shown.replace(symbol, '').replace(language === 'en' ? /[^-\d.]/g : /[^-\d,]/g, '')
        if (decimal.replace(',', '.') !== decimalOf(minor, currency)) wrong.push({ shown, currency, minor })
      }
    }
  }
  t.same(wrong, [])
})

t.test('currencies whose everyday prices have fewer decimals than their money', async (t) => {
  for (const [currency, en, ru] of [
    ['AFN', '1,499.00', '1 499,00'],
    ['ALL', '1,499.00', '1 499,00'],
    ['COP', '1,499.00', '1 499,00'],
    ['HUF', '1,499.00', '1 499,00'],
    ['IDR', '1,499.00', '1 499,00'],
    ['IQD', '149.900', '149,900'],
    ['IRR', '1,499.00', '1 499,00'],
    ['KPW', '1,499.00', '1 499,00'],
    ['LAK', '1,499.00', '1 499,00'],
    ['LBP', '1,499.00', '1 499,00'],
    ['MGA', '1,499.00', '1 499,00'],
    ['MMK', '1,499.00', '1 499,00'],
    ['PKR', '1,499.00', '1 499,00'],
    ['SOS', '1,499.00', '1 499,00'],
    ['SYP', '1,499.00', '1 499,00'],
    ['YER', '1,499.00', '1 499,00'],
  ] as const) {
    t.ok(plain(formatMoney(149_900, currency, 'en')).includes(en), `${currency} ${en}`)
    t.ok(plain(formatMoney(149_900, currency, 'ru')).includes(ru), `${currency} ${ru}`)
    t.same(parseAmount(en, currency, 'en'), { ok: true, minor: 149_900 }, `${currency} ${en} typed`)
    t.same(parseAmount(ru, currency, 'ru'), { ok: true, minor: 149_900 }, `${currency} ${ru} typed`)
  }
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
})
