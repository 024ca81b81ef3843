/** Every message that was shown, and whether the browser may show them outside of the page too. */
import { Icon } from './icons.tsx'
import { Card, Page, useFocusKept } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Empty } from './states.tsx'
import { Ago } from './status.tsx'
import { ToastLinks, toneIcons } from './toasts.tsx'

export function HistoryView() {
  const t = useText()
  const { toasts } = useShop()
  const history = toasts.history.value
  return (
    <Page heading={t('history.heading')}>
      <BrowserNotifications />
      <Card heading={t('history.list')} aside={history.length > 0 && <ClearButton />}>
        {history.length === 0 ? (
          <Empty icon="bell" title={t('history.empty')}>
            {t('history.empty.hint')}
          </Empty>
        ) : (
          <ul class="rows">
            {history.map(({ id, tone, title, text, orderId, letterSeq, at }) => (
              <li key={id} class="row">
                <span class={`letter-sign tone-${tone}`}>
                  <Icon name={toneIcons[tone]} />
                  <span class="sr-only">{t(`tone.${tone}`)}</span>
                </span>
                <span class="row-text">
                  <strong class="wrap">{title}</strong>
                  <span class="soft small wrap">{text}</span>
                  <span class="small">
                    <ToastLinks orderId={orderId} letterSeq={letterSeq} />
                  </span>
                </span>
                <span class="soft small">
                  <Ago iso={new Date(at).toISOString()} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Card>
    </Page>
  )
}

function ClearButton() {
  const t = useText()
  const { toasts } = useShop()
  return (
    <button
      type="button"
      class="button button-quiet"
      ref={useFocusKept<HTMLButtonElement>()}
      onClick={() => toasts.clearHistory()}
    >
      {t('history.clear')}
    </button>
  )
}

/** Asked for only here, on a click: a browser that is asked unbidden says no for good. */
function BrowserNotifications() {
  const t = useText()
  const { notifications } = useShop()
  const permission = notifications.permission.value
  return (
    <Card class="browser-notifications">
      <Icon name="bell" size={24} />
      <div class="row-text">
        <h2>{t('notifier.heading')}</h2>
        <p class="soft small">{t(`notifier.${permission}`)}</p>
      </div>
      {permission === 'default' && (
        <button type="button" class="button" onClick={() => void notifications.request()}>
          {t('notifier.request')}
        </button>
      )}
    </Card>
  )
}
