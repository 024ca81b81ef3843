/** Placing an order; whoever has placed one is taken to its page, to see it travel. */
import type { Placed } from '../model/checkout.ts'
import { href } from '../model/route.ts'
import { Field, FormProblem, SubmitButton, useForm } from './form.tsx'
import { useShop, useText } from './shop.ts'
import { Money } from './status.tsx'
import { Unanswered, useUnanswered } from './unanswered.tsx'

export function OrderForm() {
  const t = useText()
  const { checkout, account } = useShop()
  const goTo = (placed: Placed) => {
    if (placed.ok) location.hash = href({ name: 'order', id: placed.order.id })
    return placed
  }
  const form = useForm(async ({ amount = '', description = '' }) => goTo(await checkout.place({ amount, description })))
  const attempt = checkout.attempt.value
  const unanswered = useUnanswered(attempt, form)
  return (
    <>
      {attempt && unanswered && (
        <Unanswered
          attempt={attempt}
          takeFocus={form.problem !== undefined}
          retry={async () => goTo(await checkout.retry())}
          abandon={checkout.abandon}
        >
          <span class="wrap">{attempt.description}</span>
          <Money minor={attempt.amount} currency={account.currency.value} />
        </Unanswered>
      )}
      <form class="form" hidden={unanswered} aria-label={t('place.heading')} {...form.bind}>
        <Field
          form={form}
          name="description"
          label={t('place.description')}
          autoComplete="off"
          hint={t('place.description.hint')}
        />
        <Field
          form={form}
          name="amount"
          label={t('place.amount')}
          unit={account.currency.value}
          inputMode="decimal"
          autoComplete="transaction-amount"
        />
        <FormProblem form={form} fields={['amount', 'description']} />
        <SubmitButton form={form} icon="send" working={t('place.working')}>
          {t('place.submit')}
        </SubmitButton>
      </form>
    </>
  )
}
