/** How each service is, in detail. */
import type { ServiceStatus } from '@checkout/contracts/http.ts'
import { Icon } from './icons.tsx'
import { Card, Page } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Failed, Skeleton } from './states.tsx'
import { ServiceName } from './status.tsx'
import { HealthBadge, healthOf } from './system-strip.tsx'

export function SystemView() {
  const t = useText()
  const { system } = useShop()
  return (
    <Page
      heading={t('nav.system')}
      lead={t('system.lead')}
      aside={
        <a class="button button-quiet" href="/docs/">
          <Icon name="docs" size={18} />
          {t('strip.docs')}
        </a>
      }
    >
      <div class="services">
        {system.parts.value.map(({ part, docs, status }) => (
          <Card key={part} class={`service-card lane-${part}`}>
            <div class="card-head">
              <h2>
                <ServiceName lane={part} />
              </h2>
              <HealthBadge health={healthOf(status)} />
            </div>
            {status.state === 'loading' && <Skeleton lines={5} />}
            {status.state === 'failed' && <Failed problem={status.problem} />}
            {status.state === 'ready' && <Details status={status.value} />}
            <a href={docs}>{t('system.docs')}</a>
          </Card>
        ))}
      </div>
    </Page>
  )
}

function Details({ status }: { status: ServiceStatus }) {
  const t = useText()
  const { settings } = useShop()
  const count = (n: number) => t('system.count', { n })
  const facts: readonly [string, string | number][] = [
    [t('system.store'), t(`system.store.${status.store}`)],
    [t('system.nats'), status.natsProblem ?? t(`system.nats.${status.nats}`)],
    [t('system.backlog'), count(status.outboxBacklog)],
    [t('system.oldest'), status.outboxBacklog === 0 ? '–' : settings.duration(status.oldestUnpublishedMs)],
    [t('system.dead'), count(status.deadLetters)],
    [t('system.instance'), status.instance],
    [t('system.version'), status.version],
  ]
  return (
    <dl class="facts facts-lines">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="number">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
