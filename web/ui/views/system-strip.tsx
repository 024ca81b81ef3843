/** The foot of every page: how each service is. */

import type { ServiceStatus } from '@checkout/contracts/http.ts'
import { useEffect } from 'preact/hooks'
import type { Remote } from '../model/failure.ts'
import { href } from '../model/route.ts'
import { Icon, type IconName } from './icons.tsx'
import { useShop, useText } from './shop.ts'
import { ServiceName } from './status.tsx'

export type Health = 'checking' | 'ok' | 'degraded' | 'failed' | 'silent'
export const healthIcons: Readonly<Record<Health, IconName>> = {
  checking: 'refresh',
  ok: 'check',
  degraded: 'alert',
  failed: 'cross',
  silent: 'cross',
}

export function healthOf(status: Remote<ServiceStatus>): Health {
  if (status.state === 'loading') return 'checking'
  if (status.state === 'failed') return 'silent'
  if (status.value.store === 'failed') return 'failed'
  return status.value.nats === 'degraded' ? 'degraded' : 'ok'
}

export function HealthBadge({ health }: { health: Health }) {
  const t = useText()
  return (
    <span class={`health health-${health}`}>
      <Icon name={healthIcons[health]} size={15} />
      {t(`health.${health}`)}
    </span>
  )
}

export function SystemStrip() {
  const t = useText()
  const { system } = useShop()
  useEffect(() => system.watch(), [system])
  return (
    <footer class="strip">
      <div class="strip-inside">
        <ul aria-label={t('strip.label')}>
          {system.parts.value.map(({ part, status }) => (
            <li key={part}>
              <ServiceName lane={part} />
              <HealthBadge health={healthOf(status)} />
              {status.state === 'ready' && (
                <span class="soft">
                  {t('strip.backlog', { n: status.value.outboxBacklog })} ·{' '}
                  {t('strip.dead', { n: status.value.deadLetters })}
                </span>
              )}
            </li>
          ))}
        </ul>
        <p>
          <a href={href({ name: 'system' })}>{t('strip.details')}</a>
          <a href="/docs/">{t('strip.docs')}</a>
        </p>
      </div>
    </footer>
  )
}
