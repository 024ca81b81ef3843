/** One step of a journey: its place on the map of lanes, what happened, and how long it took. */
import { useId, useState } from 'preact/hooks'
import type { JourneyItem, JourneyService, JourneyStepName } from '../model/journey.ts'
import { Icon } from './icons.tsx'
import { useShop, useText } from './shop.ts'
import { type Lane, laneOf, lanes, ServiceName } from './status.tsx'

interface StepProps {
  item: JourneyItem
  /** It came while one was looking, so it may move. */
  fresh: boolean
  before: JourneyItem | undefined
  /** What follows, so that the line to it can be drawn as it was: dashed while waiting. */
  after: { service: JourneyService; gap?: JourneyItem['gap'] } | undefined
  totalMs: number
}

export function JourneyStep({ item, fresh, before, after, totalMs }: StepProps) {
  const t = useText()
  const { settings } = useShop()
  const [open, setOpen] = useState(false)
  const detailsId = useId()
  const lane = laneOf(item.service)
  return (
    <li class={`step lane-${lane} ${fresh ? 'step-fresh' : ''}`}>
      <p class="step-time small">
        <time dateTime={item.at}>{settings.clock(item.at)}</time>
        {before && <span class="soft">+{settings.duration(item.sinceStartMs)}</span>}
      </p>
      <Track at={item.service} from={before?.service} arrived={item.gap} left={after && (after.gap ?? 'ahead')} />
      <div class="step-text">
        <div class="step-head">
          <h3>{t(`step.${item.step}`)}</h3>
          <button
            type="button"
            class="step-more"
            aria-label={`${t('step.details')}: ${t(`step.${item.step}`)}`}
            aria-expanded={open}
            aria-controls={open ? detailsId : undefined}
            onClick={() => setOpen(!open)}
          >
            {t('step.details')}
            <Icon name="down" size={14} />
          </button>
        </div>
        <p class="step-facts small">
          <ServiceName lane={lane} />
          {item.eventType && <code class="chip">{item.eventType}</code>}
          {item.streamSeq !== undefined && <span class="chip">{t('step.seq', { seq: item.streamSeq })}</span>}
          {item.deliveries !== undefined && (
            <span class={item.deliveries > 1 ? 'chip chip-again' : 'chip'}>
              {t('step.delivery', { count: item.deliveries })}
            </span>
          )}
        </p>
      </div>
      <Gap item={item} totalMs={totalMs} first={!before} />
      {open && <StepDetails item={item} id={detailsId} />}
    </li>
  )
}

/** A step that has not happened yet. */
export function JourneyAhead(props: {
  step: JourneyStepName
  service: JourneyService
  before: JourneyService | undefined
  last: boolean
  now: boolean
}) {
  const t = useText()
  const lane = laneOf(props.service)
  return (
    <li class={`step step-ahead lane-${lane}`}>
      <Track
        at={props.service}
        from={props.before}
        arrived="ahead"
        left={props.last ? undefined : 'ahead'}
        now={props.now}
      />
      <div class="step-text">
        <h3>{t(`step.${props.step}`)}</h3>
        <p class="step-facts small">
          <ServiceName lane={lane} />
          <span>{props.now ? t('step.now') : t('step.ahead')}</span>
        </p>
      </div>
    </li>
  )
}

export const gapClass = ({ service, gap }: Pick<JourneyItem, 'service' | 'gap'>) =>
  `gap gap-${gap} lane-${laneOf(service)}`

type Line = JourneyItem['gap'] | 'ahead'

/** The station on its lane, the line that arrives from the lane before, and the one that leaves downwards. */
function Track(props: {
  at: JourneyService
  from: JourneyService | undefined
  arrived: Line
  left: Line | undefined
  now?: boolean
}) {
  const at = laneOf(props.at)
  const from = props.from && laneOf(props.from)
  return (
    <div class={`track at-${at} ${from ? `from-${from}` : ''}`} aria-hidden="true">
      {from && <span class={`arrive line-${props.arrived} ${bend(from, at)}`} />}
      {props.left && <span class={`leave line-${props.left}`} />}
      <span class={props.now ? 'station station-now' : 'station'} />
    </div>
  )
}

const bend = (from: Lane, at: Lane) =>
  from === at ? 'straight' : lanes.indexOf(from) < lanes.indexOf(at) ? 'to-right' : 'to-left'

/** The time since the step before, in words and as a bar at its place in the whole. */
function Gap({ item, totalMs, first }: { item: JourneyItem; totalMs: number; first: boolean }) {
  const t = useText()
  const { settings } = useShop()
  if (first) return <p class="step-gap" />
  // Mailing goes on by the side and may end long after the way does.
  const beyond = item.sinceStartMs > totalMs
  const share = (ms: number) => `${Math.min(100, Math.max(0, (100 * ms) / Math.max(1, totalMs)))}%`
  return (
    <div class="step-gap">
      <p class="small">{t(`gap.${item.gap}`, { time: settings.duration(item.gapMs) })}</p>
      {!beyond && (
        <div class="fall" aria-hidden="true">
          <span
            class={gapClass(item)}
            style={{ left: share(item.sinceStartMs - item.gapMs), width: share(item.gapMs) }}
          />
        </div>
      )}
    </div>
  )
}

/** What is behind the step, for whoever wants to know. */
function StepDetails({ item, id }: { item: JourneyItem; id: string }) {
  const t = useText()
  return (
    <div class="step-details small" id={id}>
      <p>{t(`step.${item.step}.hint`)}</p>
      {item.eventId && (
        <p class="wrap">
          {t('step.event')} <code>{item.eventId}</code>
        </p>
      )}
      {item.payload !== undefined && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        // biome-ignore lint/a11y/useSemanticElements: fieldset is for forms, and a landmark per payload is too much
        <div class="payload" role="group" aria-label={t('step.payload')} tabIndex={0}>
          <pre>{JSON.stringify(item.payload, null, 2)}</pre>
        </div>
      )}
    </div>
  )
}
