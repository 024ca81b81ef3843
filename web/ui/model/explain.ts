/** Problems in the user's words. Programs go by `code`; only people need what stands here. */
import type { Failure } from './failure.ts'
import { isTextKey, type Language, type TextKey, type Translate } from './translate.ts'

/** What happened and what to do about it. A code without a translation gives the API's own text. */
export function explain({ code, detail }: Failure, t: Translate): string {
  const key = `problem.${code}`
  return isTextKey(key) ? t(key) : detail
}

/**
 * The API's message about one field (packages/http/src/validation.ts), or one of the model's own, which have the same
 * form. Each pattern's number, if it has one, becomes the text's `{n}`.
 */
const messages: readonly (readonly [RegExp, TextKey])[] = [
  [/^is required$|^must not be empty$/, 'field.required'],
  [/^must be at least (\S+)$/, 'field.at_least'],
  [/^must be at most (\S+)$/, 'field.at_most'],
  [/^must have at least (\d+) characters$/, 'field.min_length'],
  [/^must have at most (\d+) characters$/, 'field.max_length'],
  [/^must have at most (\d+) decimals$/, 'field.decimals'],
  [/^must be a whole number$/, 'field.whole'],
  [/^must be an amount such as (\S+)$/, 'field.amount'],
  [/^must be an e-mail address$/, 'field.email'],
  [/^must be one line$/, 'field.one_line'],
  [/^must be a user id$/, 'field.user_id'],
  [/^is taken$/, 'field.taken'],
  [/^is not registered$/, 'field.not_registered'],
]

export function explainField(message: string, t: Translate, language: Language): string {
  for (const [pattern, key] of messages) {
    const match = pattern.exec(message)
    if (match) return t(key, match[1] === undefined ? {} : { n: numberOf(match[1], language) })
  }
  return message
}

/** Integers choose the plural form, so they stay numbers; decimals are written with as many digits as they came with. */
function numberOf(text: string, language: Language): number | string {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  if (!/^\d+\.\d+$/.test(text)) return text
  const fraction = text.length - text.indexOf('.') - 1
  const format = new Intl.NumberFormat(language, { minimumFractionDigits: fraction, maximumFractionDigits: fraction })
  return format.format(text as Intl.StringNumericLiteral)
}
