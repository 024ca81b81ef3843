/**
 * How many digits an amount has behind its separator. That is ISO 4217's to say, not the language data's of a runtime
 * (CLDR, behind Intl): its digits are those of everyday prices, for forints 0, where money is counted in 2.
 */
import { codesByDigits } from './iso-4217.ts'

const digitsByCode: ReadonlyMap<string, number> = new Map(
  Object.entries(codesByDigits).flatMap(([digits, codes]) => codes.split(' ').map((code) => [code, Number(digits)])),
)

/** Every code that amounts may be in. */
export const currencyCodes: readonly string[] = [...digitsByCode.keys()].sort()

/** Whether the text is the code of a currency with a minor unit: of RUB, not of XAU (gold), XXX or ABC. */
export const isCurrency = (code: string): boolean => digitsByCode.has(code)

/** RUB 2, HUF 2, JPY 0, KWD 3, CLF 4. An unknown code counts as one of 2, which most have: services refuse to start with one. */
export const digitsOf = (code: string): number => digitsByCode.get(code) ?? 2

/** Minor units, an integer, as a decimal number in text, exactly: 149900 of RUB are "1499.00". */
export function decimalOf(minor: number, code: string): string {
  const digits = digitsOf(code)
  const sign = minor < 0 ? '-' : ''
  const text = String(Math.abs(minor)).padStart(digits + 1, '0')
  return sign + (digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`)
}

/** For Intl.NumberFormat: a currency's format with its own digits. */
export function currencyFormat(code: string) {
  const digits = digitsOf(code)
  return {
    style: 'currency',
    currency: code,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  } as const
}
