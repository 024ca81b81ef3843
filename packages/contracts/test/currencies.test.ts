import { readFileSync } from 'node:fs'
import t from 'tap'
import { currencyCodes, decimalOf, digitsOf, isCurrency } from '../src/currencies.ts'
import { CURRENCIES_FILE, currenciesFile, isoDigits } from '../src/generate-currencies.ts'

t.test('the table is ISO’s list', async (t) => {
  t.equal(readFileSync(CURRENCIES_FILE, 'utf8'), currenciesFile(), 'run: npm run currencies -w @checkout/contracts')
  const iso = isoDigits()
  t.strictSame(currencyCodes, [...iso.keys()])
  t.strictSame(currencyCodes.map(digitsOf), [...iso.values()])
  t.ok(iso.size > 160)
})

t.test('the digits of each kind', async (t) => {
  const some = { 0: 'JPY KRW ISK UGX CLP VND XOF', 2: 'RUB USD EUR HUF IDR COP MGA', 3: 'BHD KWD JOD IQD TND LYD OMR' }
  for (const [digits, codes] of Object.entries({ ...some, 4: 'CLF UYW' })) {
    for (const code of codes.split(' ')) t.equal(digitsOf(code), Number(digits), code)
  }
  for (const none of ['XXX', 'XTS', 'XAU', 'XDR', 'ABC', 'rub', '']) t.notOk(isCurrency(none), `"${none}"`)
})

t.test('minor units as a decimal, exactly', async (t) => {
  for (const [minor, code, text] of [
    [0, 'RUB', '0.00'],
    [5, 'CLF', '0.0005'],
    [-5, 'USD', '-0.05'],
    [149_900, 'HUF', '1499.00'],
    [1_000_000_000_000, 'UYW', '100000000.0000'],
    [Number.MAX_SAFE_INTEGER, 'JPY', '9007199254740991'],
    [Number.MAX_SAFE_INTEGER, 'IDR', '90071992547409.91'],
    [Number.MAX_SAFE_INTEGER, 'IQD', '9007199254740.991'],
    [Number.MAX_SAFE_INTEGER, 'CLF', '900719925474.0991'],
  ] as const) {
    t.equal(decimalOf(minor, code), text)
  }
})
