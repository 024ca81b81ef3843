/** The way of an order through the services: how long it took, and every step, filling in while it happens. */

import { useRef } from 'preact/hooks'
import type { JourneyView } from '../model/journey.ts'
import { Icon } from './icons.tsx'
import { gapClass, JourneyAhead, JourneyStep } from './journey-step.tsx'
import { Card } from './page.tsx'
import { useShop, useText } from './shop.ts'
import { Loaded } from './states.tsx'
import { laneOf, lanes, ServiceName } from './status.tsx'

export function JourneyCard({ orderId }: { orderId: string }) {
  const t = useText()
  const journey = useShop().journeys.of(orderId)
  return (
    <Card heading={t('journey.heading')} class="journey-card">
      <p class="soft">{t('journey.lead')}</p>
      <Loaded from={journey.view.value} retry={() => void journey.refresh()} lines={8}>
        {(view) => <Journey view={view} />}
      </Loaded>
    </Card>
  )
}

function Journey({ view }: { view: JourneyView }) {
  const t = useText()
  const { items, ahead } = view
  const there = useRef(new Set(items.map(({ key }) => key)))
  return (
    <>
      <Totals view={view} />
      <Overview view={view} />
      <ol class="journey" aria-label={t('journey.steps')}>
        {items.map((item, i) => (
          <JourneyStep
            key={item.key}
            item={item}
            fresh={!there.current.has(item.key)}
            before={items[i - 1]}
            after={items[i + 1] ?? ahead[0]}
            totalMs={view.totalMs}
          />
        ))}
        {ahead.map(({ step, service }, i) => (
          <JourneyAhead
            key={`ahead ${service} ${step} ${ahead.length - i}`}
            step={step}
            service={service}
            before={ahead[i - 1]?.service ?? items.at(-1)?.service}
            last={i === ahead.length - 1}
            now={i === 0 && !view.complete}
          />
        ))}
      </ol>
    </>
  )
}

function Totals({ view }: { view: JourneyView }) {
  const t = useText()
  const { settings } = useShop()
  return (
    <div class="totals">
      <dl>
        <div>
          <dt>{t('journey.total')}</dt>
          <dd class="number">{settings.duration(view.totalMs)}</dd>
        </div>
        <div>
          <dt>
            <span class="swatch swatch-waiting" />
            {t('journey.waiting')}
          </dt>
          <dd class="number">{settings.duration(view.waitingMs)}</dd>
        </div>
        <div>
          <dt>
            <span class="swatch swatch-working" />
            {t('journey.working')}
          </dt>
          <dd class="number">{settings.duration(view.workingMs)}</dd>
        </div>
      </dl>
      {view.complete ? (
        <p class="badge badge-paid">
          <Icon name="check" size={15} />
          {t('journey.complete')}
        </p>
      ) : (
        <p class="badge badge-pending">
          <span class="pulse" aria-hidden="true" />
          {view.waitingFor ? t(`journey.waitingFor.${laneOf(view.waitingFor)}`) : t('journey.underWay')}
        </p>
      )}
    </div>
  )
}

/** All gaps side by side, as wide as they were long. */
function Overview({ view }: { view: JourneyView }) {
  const t = useText()
  const { settings } = useShop()
  const { duration } = settings
  const label = t('journey.overview', {
    total: duration(view.totalMs),
    waiting: duration(view.waitingMs),
    working: duration(view.workingMs),
  })
  // Mailing goes on beside the way and is no part of its length.
  const gaps = view.items.filter(({ step, gapMs }) => gapMs > 0 && step !== 'mailed')
  return (
    <>
      <div class="overview" role="img" aria-label={label}>
        {gaps.map((item) => (
          <span key={item.key} class={gapClass(item)} style={{ flexGrow: item.gapMs }} />
        ))}
      </div>
      <ul class="legend">
        {lanes.map((lane) => (
          <li key={lane}>
            <ServiceName lane={lane} />
          </li>
        ))}
      </ul>
    </>
  )
}
