/** Who is it? The welcome of a first visit, and the place to register somebody else or to switch. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { href } from '../model/route.ts'
import type { KnownUser } from '../model/session.ts'
import { Field, FormProblem, SubmitButton, useForm } from './form.tsx'
import { Icon } from './icons.tsx'
import { Card, Page, useFocusKept } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { lanes, ServiceName } from './status.tsx'
import { Avatar } from './user-menu.tsx'

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

function KnownUsers() {
  const t = useText()
  const users = useShop().session.users.value
  if (users.length === 0) return null
  return (
    <Card heading={t('users.known')}>
      <ul class="rows">
        {users.map((user) => (
          <KnownUserRow key={user.id} user={user} />
        ))}
      </ul>
    </Card>
  )
}

function KnownUserRow({ user: { id, name } }: { user: KnownUser }) {
  const t = useText()
  const { session } = useShop()
  const goOn = useGoOn()
  const row = useFocusKept<HTMLLIElement>()
  const [asking, setAsking] = useState(false)
  if (asking) return <ForgetQuestion id={id} name={name} keep={() => setAsking(false)} />
  return (
    <li class="row" ref={row}>
      <Avatar name={name} />
      <span class="row-text">
        <strong class="wrap">{name}</strong>
        <span class="soft small wrap">{id}</span>
      </span>
      {session.current.value?.id === id ? (
        <span class="badge badge-paid">
          <Icon name="check" size={15} />
          {t('users.current')}
        </span>
      ) : (
        <button
          type="button"
          class="button button-quiet"
          onClick={() => {
            session.switchTo(id)
            goOn()
          }}
        >
          {t('users.switch')}
          <span class="sr-only">: {name}</span>
        </button>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label={t('users.forget', { name })}
        title={t('users.forget', { name })}
        onClick={() => setAsking(true)}
      >
        <Icon name="cross" size={18} />
      </button>
    </li>
  )
}

/** An id that the shop gave is written down nowhere else, so it is shown once more. */
function ForgetQuestion({ id, name, keep }: KnownUser & { keep(): void }) {
  const t = useText()
  const { session } = useShop()
  const row = useFocusKept<HTMLLIElement>()
  const question = useRef<HTMLParagraphElement>(null)
  useEffect(() => question.current?.focus(), [])
  return (
    <li class="row forget" ref={row}>
      <p class="row-text" tabIndex={-1} ref={question}>
        <strong class="wrap">{t('users.forget.question', { name })}</strong>
        <span class="soft small wrap">{t('users.forget.hint', { id })}</span>
      </p>
      <button type="button" class="button" onClick={() => session.forget(id)}>
        {t('users.forget.yes')}
      </button>
      <button type="button" class="button button-quiet" onClick={keep}>
        {t('users.forget.no')}
      </button>
    </li>
  )
}

/** To where the visitor wanted to go when the form was in its way, else home. */
function useGoOn() {
  const { route } = useShop()
  return () => {
    if (route.value.name === 'users') location.hash = href({ name: 'home' })
  }
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
