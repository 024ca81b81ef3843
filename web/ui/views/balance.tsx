/** The account's balance, with a form that puts money on it or takes some off. */
import { useState } from 'preact/hooks'
import { Field, FormProblem, SubmitButton, useForm } from './form.tsx'
import { Icon } from './icons.tsx'
import { useShop, useText } from './shop.ts'
import { Failed } from './states.tsx'
import { Money } from './status.tsx'
import { Unanswered, useUnanswered } from './unanswered.tsx'

export function BalanceCard() {
  const t = useText()
  const { account } = useShop()
  const state = account.account.value
  return (
    <section class="balance" aria-label={t('balance.label')}>
      <svg class="balance-way" viewBox="0 0 240 120" aria-hidden="true">
        <path d="M-10 78h70l34 30 76-84h90" />
        <circle cx="60" cy="78" r="7" />
        <circle cx="170" cy="24" r="7" />
      </svg>
      <h2>{t('balance.label')}</h2>
      {state?.state === 'ready' ? (
        <p class="balance-sum">
          <Money minor={state.value.balance} currency={state.value.currency} />
        </p>
      ) : state?.state === 'failed' ? (
        <Failed problem={state.problem} retry={() => void account.refresh()} />
      ) : (
        <p class="balance-sum balance-opening" aria-busy="true">
          {t('balance.opening')}
        </p>
      )}
      <MoneyForm />
    </section>
  )
}

function MoneyForm() {
  const t = useText()
  const { account } = useShop()
  const [said, setSaid] = useState<'deposit' | 'withdraw'>()
  const form = useForm(
    ({ amount = '' }, button) => {
      setSaid(undefined)
      return button === 'withdraw' ? account.withdraw(amount) : account.deposit(amount)
    },
    (button) => setSaid(button === 'withdraw' ? 'withdraw' : 'deposit'),
  )
  const attempt = account.attempt.value
  const unanswered = useUnanswered(attempt, form)
  return (
    <>
      {attempt && unanswered && (
        <Unanswered
          attempt={attempt}
          takeFocus={form.problem !== undefined}
          retry={() => void account.retry()}
          abandon={account.abandon}
        >
          <span>{t(`entry.${attempt.kind}`)}</span>
          <Money minor={attempt.amount} currency={account.currency.value} />
        </Unanswered>
      )}
      <form class="form money-form" hidden={unanswered} aria-label={t('money.heading')} {...form.bind}>
        <Field
          form={form}
          name="amount"
          label={t('money.amount')}
          unit={account.currency.value}
          inputMode="decimal"
          autoComplete="transaction-amount"
        />
        <div class="buttons">
          <SubmitButton form={form} value="deposit" icon="plus" working={t('money.working')}>
            {t('money.deposit')}
          </SubmitButton>
          <SubmitButton form={form} value="withdraw" icon="minus" quiet working={t('money.working')}>
            {t('money.withdraw')}
          </SubmitButton>
        </div>
        <FormProblem form={form} fields={['amount']} />
        <p class="form-done" role="status">
          {said && (
            <>
              <Icon name="check" size={16} />
              {t(`money.${said}.done`)}
            </>
          )}
        </p>
      </form>
    </>
  )
}
