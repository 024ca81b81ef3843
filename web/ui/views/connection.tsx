/** Whether pushes arrive: an icon and a word, with the seconds to the next attempt. */
import { useEffect, useState } from 'preact/hooks'
import type { IconName } from './icons.tsx'
import { Icon } from './icons.tsx'
import { useShop, useText } from './shop.ts'

const icons: Readonly<Record<string, IconName>> = {
  connecting: 'refresh',
  live: 'live',
  retrying: 'refresh',
  polling: 'clock',
  offline: 'offline',
}

export function Connection() {
  const t = useText()
  const { live } = useShop()
  const state = live.state.value
  const seconds = useSecondsTo(live.retryAt.value)
  if (state === 'off') return null
  const word =
    state === 'retrying' && seconds !== undefined && seconds > 0
      ? t('connection.retryingIn', { n: seconds })
      : t(`connection.${state}`)
  return (
    <p class={`connection connection-${state}`} title={t(`connection.${state}.hint`)}>
      <span class="sr-only">{t('connection.label')} </span>
      <Icon name={icons[state] ?? 'info'} size={18} />
      <span>{word}</span>
    </p>
  )
}

/** Whole seconds until a time of Date.now(), counting down. */
function useSecondsTo(at: number | undefined): number | undefined {
  const [, setTick] = useState(0)
  useEffect(() => {
    if (at === undefined) return
    const timer = setInterval(() => setTick((tick) => tick + 1), 250)
    return () => clearInterval(timer)
  }, [at])
  return at === undefined ? undefined : Math.ceil(Math.max(0, at - Date.now()) / 1000)
}
