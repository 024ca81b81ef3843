/** The frame around every view: header, navigation, messages, foot; and what happens when one goes elsewhere. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Route } from '../model/route.ts'
import { href } from '../model/route.ts'
import { Connection } from './connection.tsx'
import { Icon, type IconName, Mark } from './icons.tsx'
import { focusHeading } from './page.tsx'
import { Preferences } from './preferences.tsx'
import { useShop, useText } from './shop.ts'
import { SystemStrip } from './system-strip.tsx'
import { Toasts } from './toasts.tsx'
import { UserMenu } from './user-menu.tsx'

export function Shell({ children }: { children: ComponentChildren }) {
  const t = useText()
  const { session } = useShop()
  const main = useRef<HTMLElement>(null)
  useFocusOnHeading()
  const toMain = (event: Event) => {
    event.preventDefault() // its hash is no route
    main.current?.focus()
  }
  return (
    <div class={session.current.value ? 'shell' : 'shell shell-bare'}>
      {/* biome-ignore lint/a11y/useValidAnchor: it does lead to an anchor, past the router */}
      <a class="skip" href="#main" onClick={toMain}>
        {t('shell.skip')}
      </a>
      <header class="top">
        <div class="top-inside">
          <a class="brand" href={href({ name: 'home' })}>
            <Mark size={30} />
            <span>{t('app.name')}</span>
          </a>
          {session.current.value && <Navigation />}
          <div class="top-end">
            <Connection />
            <Preferences />
            <UserMenu />
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
      <SystemStrip />
      <Toasts />
    </div>
  )
}

const places: readonly {
  to: Route
  icon: IconName
  text: 'home' | 'orders' | 'account' | 'letters' | 'system'
  also?: Route['name']
}[] = [
  { to: { name: 'home' }, icon: 'home', text: 'home' },
  { to: { name: 'orders' }, icon: 'orders', text: 'orders', also: 'order' },
  { to: { name: 'account' }, icon: 'account', text: 'account' },
  { to: { name: 'letters' }, icon: 'letters', text: 'letters', also: 'letter' },
  { to: { name: 'system' }, icon: 'system', text: 'system' },
]

function Navigation() {
  const t = useText()
  const { route, letters } = useShop()
  const here = route.value.name
  const unread = letters.unread.value
  return (
    <nav class="places" aria-label={t('nav.label')}>
      <ul>
        {places.map(({ to, icon, text, also }) => (
          <li key={text}>
            <a href={href(to)} aria-current={here === to.name ? 'page' : here === also ? 'true' : undefined}>
              <Icon name={icon} />
              <span>{t(`nav.${text}`)}</span>
              {text === 'letters' && unread > 0 && (
                <span class="count">
                  <span aria-hidden="true">{unread > 99 ? '99+' : unread}</span>
                  <span class="sr-only">{t('letters.unread', { n: unread })}</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Whoever goes to another view is told so: the focus moves to its heading (not on the first one: nobody went). */
function useFocusOnHeading() {
  const { route, session } = useShop()
  const place = `${session.current.value?.id} ${href(route.value)}`
  const last = useRef(place)
  useLayoutEffect(() => {
    if (last.current === place) return
    last.current = place
    scrollTo(0, 0)
    focusHeading()
  }, [place])
}
