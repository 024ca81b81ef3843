/**
 * Money is an integer of minor units (kopecks, cents, fils). What people read and type is made of text only, so no
 * amount ever passes through a float.
 */

import { currencyFormat, decimalOf, digitsOf } from '@checkout/contracts/currencies.ts'
import type { Language } from './translate.ts'

/** The most that one operation may move, in minor units (packages/contracts/src/values.ts). */
export const MAX_AMOUNT = 1_000_000_000_000

/** Minor units, or what is wrong with the text: a message as the API would give it. */
export type Parsed = { ok: true; minor: number } | { ok: false; message: string }

/**
 * Reads an amount in major units as people type it: `1499`, `1499.00`, `1 499,00`, `1,499.00`, `₽ 1.499,00`. Where the
 * text leaves open what a separator means (`1,499`), the user's language decides.
 */
export function parseAmount(text: string, currency: string, language: Language): Parsed {
  const digits = digitsOf(currency)
  const bare = withoutCurrency(text, currency, language)
  if (bare === '') return { ok: false, message: 'must not be empty' }
  const parts = split(bare, language)
  if (!parts) return { ok: false, message: `must be an amount such as ${decimalOf(1499 * 10 ** digits, currency)}` }
  if (parts.fraction.length > digits) {
    return { ok: false, message: digits === 0 ? 'must be a whole number' : `must have at most ${digits} decimals` }
  }
  const minor = (parts.whole + parts.fraction.padEnd(digits, '0')).replace(/^0+/, '')
  if (parts.negative || minor === '') return { ok: false, message: `must be at least ${decimalOf(1, currency)}` }
  if (minor.length > String(MAX_AMOUNT).length || Number(minor) > MAX_AMOUNT) {
    return { ok: false, message: `must be at most ${decimalOf(MAX_AMOUNT, currency)}` }
  }
  return { ok: true, minor: Number(minor) }
}

/** The text without what the language writes for the currency ("Ft", "F CFA"), its code, or any currency's symbol. */
function withoutCurrency(text: string, currency: string, language: Language): string {
  const parts = formatOf(language, currency, false)?.formatToParts(0) ?? []
  const written = parts.find(({ type }) => type === 'currency')?.value ?? currency
  const names = [written, currency]
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replace(/\s/g, '\\s'))
    .join('|')
  return text
    .trim()
    .replace(new RegExp(`^([-−+]?)(?:${names})|(?:${names})$`, 'iu'), '$1')
    .replace(/\p{Sc}/gu, '')
    .trim()
}

/** Thousands in groups: by spaces (of any width) or apostrophes, or by the separator that is not the decimal one. */
const spaced = String.raw`\d{1,3}(?:[\s'’]\d{3})+`
const numbers: readonly RegExp[] = [
  new RegExp(String.raw`^(?<whole>\d+|${spaced})(?:[.,](?<fraction>\d*))?$`),
  /^(?<whole>\d{1,3}(?:,\d{3})+)\.(?<fraction>\d*)$/,
  /^(?<whole>\d{1,3}(?:\.\d{3})+),(?<fraction>\d*)$/,
  /^(?<whole>\d{1,3}(?:,\d{3}){2,}|\d{1,3}(?:\.\d{3}){2,})$/,
  /^(?<whole>)[.,](?<fraction>\d+)$/,
]

function split(text: string, language: Language) {
  const negative = /^[-−]/.test(text)
  const number = text.replace(/^[-−+]\s*/, '')
  const lone = /^(\d{1,3})([.,])(\d{3})$/.exec(number)
  if (lone) return splitLone(lone[1] ?? '', lone[2] ?? '', lone[3] ?? '', { negative, language })
  for (const pattern of numbers) {
    const groups = pattern.exec(number)?.groups
    if (groups) return { negative, whole: (groups.whole ?? '').replace(/\D/g, ''), fraction: groups.fraction ?? '' }
  }
  return undefined
}

/**
 * `1,499` is a thousand in English and a fraction in Russian; `1.499` is a fraction in English, and in Russian it may be
 * either: that one is not guessed at, for a wrong guess is wrong by a factor of 1,000.
 */
function splitLone(
  whole: string,
  separator: string,
  digits: string,
  { negative, language }: { negative: boolean; language: Language },
) {
  const decimal = language === 'ru' ? ',' : '.'
  if (whole.startsWith('0') || separator === decimal) return { negative, whole, fraction: digits }
  return separator === ',' ? { negative, whole: whole + digits, fraction: '' } : undefined
}

/** `149900` minor units of RUB: "₽1,499.00" in English, "1 499,00 ₽" in Russian. `signed` also shows a plus. */
export function formatMoney(minor: number, currency: string, language: string, signed = false): string {
  const decimal = decimalOf(minor, currency)
  const format = formatOf(language, currency, signed)
  // Given as text, Intl formats it exactly (ECMA-402, Intl mathematical values).
  return format ? format.format(decimal as Intl.StringNumericLiteral) : `${decimal} ${currency}`.trim()
}

const formats = new Map<string, Intl.NumberFormat | undefined>()

function formatOf(language: string, currency: string, signed: boolean): Intl.NumberFormat | undefined {
  const key = `${language} ${currency} ${signed}`
  if (!formats.has(key)) formats.set(key, makeFormat(language, currency, signed))
  return formats.get(key)
}

function makeFormat(language: string, currency: string, signed: boolean): Intl.NumberFormat | undefined {
  try {
    const signDisplay = signed ? 'exceptZero' : 'auto'
    return new Intl.NumberFormat(language, {
      ...currencyFormat(currency),
      currencyDisplay: 'narrowSymbol',
      signDisplay,
    })
  } catch {
    return undefined // not a currency code
  }
}
