/** From a key to a text in the user's language. */
import * as labels from './labels.ts'
import type { Entry, Plural } from './text.ts'
import * as text from './text.ts'

export type Language = 'en' | 'ru'

export type TextKey = keyof typeof text.en | keyof typeof labels.en
export type Values = Readonly<Record<string, string | number>>

/** `t('orders.empty')`, `t('letters.unread', { n: 3 })`. Numbers are written as the language writes them. */
export type Translate = (key: TextKey, values?: Values) => string

const dictionaries: Record<Language, Record<TextKey, Entry>> = {
  en: { ...text.en, ...labels.en },
  ru: { ...text.ru, ...labels.ru },
}

export const isTextKey = (key: string): key is TextKey => Object.hasOwn(dictionaries.en, key)

/** The texts of one language. */
export function translator(language: Language): Translate {
  const dictionary = dictionaries[language]
  const plurals = new Intl.PluralRules(language)
  const numbers = new Intl.NumberFormat(language)
  return (key, values = {}) => {
    const entry = dictionary[key]
    return pick(entry, values.n, plurals).replace(/\{(\w+)\}/g, (placeholder, name: string) => {
      const value = values[name]
      if (value === undefined) return placeholder
      return typeof value === 'number' ? numbers.format(value) : value
    })
  }
}

function pick(entry: Entry, n: string | number | undefined, plurals: Intl.PluralRules): string {
  if (typeof entry === 'string') return entry
  const form = plurals.select(typeof n === 'number' ? n : 0)
  return entry[form as keyof Plural] ?? entry.other
}
