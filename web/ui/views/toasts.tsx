/** Short messages over the page. Errors are alerts; the rest waits politely until the screen reader has finished. */
import { useRef } from 'preact/hooks'
import type { Toast } from '../model/notice.ts'
import { href } from '../model/route.ts'
import { Icon, type IconName } from './icons.tsx'
import { focusHeading } from './page.tsx'
import { useShop, useText } from './shop.ts'

export const toneIcons: Readonly<Record<Toast['tone'], IconName>> = { good: 'check', bad: 'alert', info: 'info' }

export function Toasts() {
  const t = useText()
  const { toasts } = useShop()
  const region = useRef<HTMLElement>(null)
  const shown = toasts.shown.value
  const dismiss = (id: string) => {
    const hadFocus = region.current?.contains(document.activeElement)
    toasts.dismiss(id)
    if (hadFocus) focusNext(region.current, id)
  }
  const list = (some: readonly Toast[]) =>
    some.map((toast) => <ToastCard key={toast.id} toast={toast} dismiss={() => dismiss(toast.id)} />)
  return (
    <section class="toasts" aria-label={t('toasts.label')} ref={region}>
      <div role="alert">{list(shown.filter(({ tone }) => tone === 'bad'))}</div>
      <div role="status">{list(shown.filter(({ tone }) => tone !== 'bad'))}</div>
    </section>
  )
}

/** To another message if there is one, else back to the page's heading: never lost. */
function focusNext(region: HTMLElement | null, gone: string) {
  const buttons = [...(region?.querySelectorAll<HTMLElement>('[data-dismiss]') ?? [])]
  const next = buttons.find((button) => button.dataset.dismiss !== gone)
  if (next) next.focus()
  else focusHeading()
}

function ToastCard({ toast, dismiss }: { toast: Toast; dismiss(): void }) {
  const t = useText()
  const { toasts } = useShop()
  const { id, tone, title, text, orderId, letterSeq } = toast
  const pause = () => toasts.pause(id)
  const resume = () => toasts.resume(id)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: nothing happens on it, it only stays while it is looked at
    <div class={`toast toast-${tone}`} onMouseEnter={pause} onMouseLeave={resume} onFocusIn={pause} onFocusOut={resume}>
      <Icon name={toneIcons[tone]} />
      <div class="toast-text">
        <p class="toast-title wrap">{title}</p>
        {text && <p class="wrap">{text}</p>}
        <ToastLinks orderId={orderId} letterSeq={letterSeq} />
      </div>
      <button
        type="button"
        class="icon-button"
        data-dismiss={id}
        aria-label={t('toasts.dismiss', { title })}
        onClick={dismiss}
      >
        <Icon name="cross" size={18} />
      </button>
    </div>
  )
}

/** Where a message leads, unless one is there already. */
export function ToastLinks({ orderId, letterSeq }: { orderId: string | null; letterSeq: number | undefined }) {
  const t = useText()
  const { route } = useShop()
  const here = route.value.name === 'order' ? route.value.id : undefined
  return (
    <>
      {orderId && orderId !== here && <a href={href({ name: 'order', id: orderId })}>{t('toasts.order')}</a>}
      {!orderId && letterSeq !== undefined && (
        <a href={href({ name: 'letter', seq: letterSeq })}>{t('toasts.letter')}</a>
      )}
    </>
  )
}
