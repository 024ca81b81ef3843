/** Who shops in this tab: switch, register another, leave. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { href } from '../model/route.ts'
import { Icon } from './icons.tsx'
import { useShop, useText } from './shop.ts'

export function UserMenu() {
  const t = useText()
  const { session, route } = useShop()
  const user = session.current.value
  const menu = useDisclosure()
  // Whoever went elsewhere is done with the menu.
  useEffect(menu.close, [route.value])
  if (!user) return null
  const others = session.users.value.filter(({ id }) => id !== user.id)
  return (
    <div class="user-menu" ref={menu.frame}>
      <button
        type="button"
        class="user-button"
        ref={menu.button}
        aria-expanded={menu.open}
        aria-controls="user-panel"
        onClick={menu.toggle}
      >
        <Avatar name={user.name} />
        <span class="sr-only">{t('user.menu')} </span>
        <span class="user-name">{user.name}</span>
        <Icon name="down" size={16} />
      </button>
      <div id="user-panel" class="user-panel" hidden={!menu.open}>
        <p class="user-card">
          <strong class="wrap">{user.name}</strong>
          <span class="soft small wrap">{user.id}</span>
        </p>
        {others.length > 0 && (
          <div class="menu-group">
            <p class="soft small" id="switch-label">
              {t('user.switchTo')}
            </p>
            <ul aria-labelledby="switch-label">
              {others.map(({ id, name }) => (
                <li key={id}>
                  <button type="button" class="menu-item" onClick={() => menu.closing(() => session.switchTo(id))}>
                    <Avatar name={name} />
                    <span class="wrap">
                      {name} <span class="soft small">{id}</span>
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
        <div class="menu-group">
          <a class="menu-item" href={href({ name: 'history' })}>
            <Icon name="bell" />
            {t('history.heading')}
          </a>
          <a class="menu-item" href={href({ name: 'users' })}>
            <Icon name="user" />
            {t('user.another')}
          </a>
          <button type="button" class="menu-item" onClick={() => menu.closing(() => session.leave())}>
            <Icon name="leave" />
            {t('user.leave')}
          </button>
        </div>
      </div>
    </div>
  )
}

export function Avatar({ name }: { name: string }) {
  return (
    <span class="avatar" aria-hidden="true">
      {[...name.trim()][0]?.toUpperCase() ?? '?'}
    </span>
  )
}

/** A button that shows and hides a panel: Escape, a click elsewhere and a focus that moves on close it. */
function useDisclosure() {
  const [open, setOpen] = useState(false)
  const frame = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const close = () => setOpen(false)
  useLayoutEffect(() => {
    if (!open) return
    const onOutside = (event: Event) => {
      if (!frame.current?.contains(event.target as Node)) setOpen(false)
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return
      setOpen(false)
      button.current?.focus()
    }
    document.addEventListener('pointerdown', onOutside)
    document.addEventListener('focusin', onOutside)
    document.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('pointerdown', onOutside)
      document.removeEventListener('focusin', onOutside)
      document.removeEventListener('keydown', onKey)
    }
  }, [open])
  return {
    open,
    frame,
    button,
    close,
    toggle: () => setOpen(!open),
    /** The focus goes back to the button before the pressed item disappears. */
    closing: (action: () => void) => {
      button.current?.focus()
      setOpen(false)
      action()
    },
  }
}
