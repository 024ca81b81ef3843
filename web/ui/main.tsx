/** The start: gives the model what it needs of the browser, keeps the address bar and the page in step with it, renders. */
import { effect, type ReadonlySignal, signal } from '@preact/signals'
import { render } from 'preact'
import type { KeyValue, Notifier, Permission, Platform } from './model/platform.ts'
import { href, parseRoute } from './model/route.ts'
import { createShop, type Shop } from './model/shop.ts'
import { App } from './views/app.tsx'
import { ShopContext } from './views/shop.ts'
import './views/base.css'
import './views/parts.css'
import './views/shell.css'
import './views/views.css'
import './views/journey.css'

const shop = createShop(browserPlatform())
followAddress(shop)
followSettings(shop)
shop.start()
const root = document.getElementById('app')
if (root) {
  render(
    <ShopContext.Provider value={shop}>
      <App />
    </ShopContext.Provider>,
    root,
  )
}
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // Without it the page works all the same, only not offline.
  navigator.serviceWorker.register('/sw.js').catch(() => {})
}

function browserPlatform(): Platform {
  return {
    fetch: (input, init) => fetch(input, init),
    WebSocket,
    origin: location.origin,
    tab: keyValue(() => sessionStorage),
    storage: keyValue(() => localStorage),
    now: () => Date.now(),
    monotonic: () => performance.now(),
    random: () => Math.random(),
    newId,
    setTimeout: (run, delayMs) => setTimeout(run, delayMs),
    clearTimeout: (timer) => clearTimeout(timer as number),
    online: fromEvents(window, ['online', 'offline'], () => navigator.onLine),
    visible: fromEvents(document, ['visibilitychange'], () => document.visibilityState === 'visible'),
    notifier: browserNotifier(),
    languages: navigator.languages,
    prefersDark: prefersDark(),
  }
}

/** crypto.randomUUID() exists on secure origins only; this works on http://192.168.… as well. */
function newId(): string {
  if (crypto.randomUUID) return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Where storage is forbidden, merely naming it throws; so it is named in each call, whose errors the model expects. */
function keyValue(storage: () => Storage): KeyValue {
  return {
    getItem: (key) => storage().getItem(key),
    setItem: (key, value) => storage().setItem(key, value),
    removeItem: (key) => storage().removeItem(key),
  }
}

function fromEvents<T>(target: EventTarget, events: readonly string[], read: () => T): ReadonlySignal<T> {
  const state = signal(read())
  for (const event of events) {
    target.addEventListener(event, () => {
      state.value = read()
    })
  }
  return state
}

function prefersDark(): ReadonlySignal<boolean> {
  const query = matchMedia('(prefers-color-scheme: dark)')
  return fromEvents(query, ['change'], () => query.matches)
}

function browserNotifier(): Notifier {
  const supported = 'Notification' in window && window.isSecureContext
  const permission = signal<Permission>(supported ? Notification.permission : 'unsupported')
  return {
    permission,
    request: async () => {
      if (supported) permission.value = await Notification.requestPermission()
    },
    show: (title, body, tag, onClick) => {
      try {
        const notification = new Notification(title, { body, tag, icon: '/icon-192.png' })
        notification.onclick = () => {
          window.focus()
          notification.close()
          onClick()
        }
      } catch {
        // Chrome on Android shows them through a service worker only; the toast on the page is there all the same.
      }
    },
  }
}

/** The address bar and shop.route are the same, whichever changes. */
function followAddress({ route }: Shop) {
  const read = () => {
    route.value = parseRoute(location.hash)
  }
  read()
  window.addEventListener('hashchange', read)
  effect(() => {
    const to = route.value
    // An unknown address stays as it was typed.
    if (to.name !== 'missing' && href(to) !== href(parseRoute(location.hash))) location.hash = href(to)
  })
}

function followSettings({ settings }: Shop) {
  effect(() => {
    document.documentElement.lang = settings.language.value
  })
  effect(() => {
    const { dataset } = document.documentElement
    if (settings.theme.value === 'system') delete dataset.theme
    else dataset.theme = settings.theme.value
    // The frame that phones draw around the page.
    for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
      meta.content = settings.dark.value ? '#14161a' : '#f6f4ef'
    }
  })
}
