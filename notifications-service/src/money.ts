/** How a letter writes an amount. */
import { currencyFormat, decimalOf } from '@checkout/contracts/currencies.ts'

const formats = new Map<string, Intl.NumberFormat>()

/** An amount as people write it: 149900 minor units of RUB are "RUB 1,499.00". Exact, without floats. */
export function majorUnits(amount: number, currency: string): string {
  let format = formats.get(currency)
  if (!format) {
    format = new Intl.NumberFormat('en', { ...currencyFormat(currency), currencyDisplay: 'code' })
    formats.set(currency, format)
  }
  const decimal = decimalOf(amount, currency)
  // Intl puts a no-break space after the code; in a plain-text letter an ordinary one is safer.
  return format.format(decimal as Intl.StringNumericLiteral).replace(/\u00a0/g, ' ')
}
