/** The users that this browser knows: to switch to, or to forget. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { href } from '../model/route.ts'
import type { KnownUser } from '../model/session.ts'
import { Icon } from './icons.tsx'
import { Card, useFocusKept } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Avatar } from './user-menu.tsx'

export function KnownUsers() {
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
  useLayoutEffect(() => question.current?.focus(), [])
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
export function useGoOn() {
  const { route } = useShop()
  return () => {
    if (route.value.name === 'users') location.hash = href({ name: 'home' })
  }
}
