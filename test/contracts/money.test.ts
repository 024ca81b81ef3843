/** Letters and the page write an amount alike. */
import { currencyCodes, decimalOf } from '@checkout/contracts/currencies.ts'
import { MAX_AMOUNT } from '@checkout/contracts/values.ts'
import t from 'tap'
import { majorUnits } from '../../notifications-service/src/money.ts'
import { formatMoney } from '../../web/ui/model/money.ts'

t.test('amounts have the digits of ISO 4217 in every currency, the same as in the web UI', async (t) => {
  const wrong: string[] = []
  for (const currency of currencyCodes) {
    for (const amount of [1, 149_900, MAX_AMOUNT, Number.MAX_SAFE_INTEGER]) {
      const text = majorUnits(amount, currency)
      if (text.replaceAll(',', '') !== `${currency} ${decimalOf(amount, currency)}`) wrong.push(text)
      const shown = formatMoney(amount, currency, 'en')
      if (!shown.endsWith(text.slice(4))) wrong.push(`${shown} in the web UI, ${text} in a letter`)
    }
  }
  t.strictSame(wrong, [])
})
