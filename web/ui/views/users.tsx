/** Who is it? The welcome of a first visit, and the place to register somebody else or to switch. */
import { Field, FormProblem, SubmitButton, useForm } from './form.tsx'
import { KnownUsers, useGoOn } from './known-users.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { lanes, ServiceName } from './status.tsx'

export function UsersView() {
  const t = useText()
  const { session } = useShop()
  const first = session.users.value.length === 0
  return (
    <Page
      heading={first ? t('users.welcome') : t('users.heading')}
      title={t('users.title')}
      lead={first ? t('users.lead') : t('users.leadKnown')}
    >
      {first && <Way />}
      <KnownUsers />
      <div class="columns">
        <Register />
        <Enter />
      </div>
    </Page>
  )
}

/** The way of an order, in four words. */
function Way() {
  const t = useText()
  return (
    <ol class="way" aria-label={t('users.way')}>
      {lanes.map((lane) => (
        <li key={lane}>
          <ServiceName lane={lane} />
          <span class="soft small">{t(`users.way.${lane}`)}</span>
        </li>
      ))}
    </ol>
  )
}

function Register() {
  const t = useText()
  const { session } = useShop()
  const form = useForm(
    ({ id = '', name = '', email = '' }) => session.register({ name, email, ...(id.trim() && { id: id.trim() }) }),
    useGoOn(),
  )
  return (
    <Card heading={t('register.heading')}>
      <form class="form" aria-label={t('register.heading')} {...form.bind}>
        <Field form={form} name="name" label={t('register.name')} autoComplete="name" />
        <Field
          form={form}
          name="email"
          label={t('register.email')}
          type="email"
          inputMode="email"
          autoComplete="email"
          hint={t('register.email.hint')}
        />
        <Field
          form={form}
          name="id"
          label={t('register.id')}
          optional={t('form.optional')}
          autoComplete="username"
          spellcheck={false}
          hint={t('register.id.hint')}
        />
        <FormProblem form={form} fields={['name', 'email', 'id']} />
        <SubmitButton form={form} working={t('register.working')}>
          {t('register.submit')}
        </SubmitButton>
      </form>
    </Card>
  )
}

function Enter() {
  const t = useText()
  const { session } = useShop()
  const form = useForm(({ id = '' }) => session.enter(id.trim()), useGoOn())
  return (
    <Card heading={t('enter.heading')}>
      <form class="form" aria-label={t('enter.heading')} {...form.bind}>
        <Field
          form={form}
          name="id"
          label={t('enter.id')}
          autoComplete="username"
          spellcheck={false}
          hint={t('enter.id.hint')}
        />
        <FormProblem form={form} fields={['id']} />
        <SubmitButton form={form} quiet working={t('enter.working')}>
          {t('enter.submit')}
        </SubmitButton>
      </form>
    </Card>
  )
}
