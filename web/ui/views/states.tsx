/** What is shown while there is nothing to show yet: loading, empty, failed. */
import type { ReadonlySignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import type { Failure, Remote } from '../model/failure.ts'
import type { Paged } from '../model/paged.ts'
import { Icon, type IconName } from './icons.tsx'
import { useShop, useText } from './shop.ts'

/** Grey lines in the place of what is coming. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  const t = useText()
  return (
    <div class="skeleton" aria-busy="true">
      <span class="sr-only">{t('state.loading')}</span>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} class="bone" />
      ))}
    </div>
  )
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} size={32} />
      <p class="empty-title">{title}</p>
      {children && <div class="soft">{children}</div>}
    </div>
  )
}

/** Says what failed and offers to try again. */
export function Failed({ problem, retry }: { problem: Failure; retry?: () => void }) {
  const t = useText()
  const { settings } = useShop()
  return (
    <div class="notice notice-bad" role="alert">
      <Icon name="alert" />
      <div class="notice-text">
        <p>{settings.explain(problem)}</p>
        {problem.requestId && problem.status >= 500 && (
          <p class="small wrap">
            {t('state.request')} <code>{problem.requestId}</code>
          </p>
        )}
      </div>
      {retry && (
        <button type="button" class="button button-quiet" onClick={retry}>
          <Icon name="refresh" size={18} />
          {t('state.retry')}
        </button>
      )}
    </div>
  )
}

/** One thing that is read from a service, in whichever state it is. */
export function Loaded<T>(props: {
  from: Remote<T> | undefined
  /** Absent where asking again cannot help. */
  retry: (() => void) | undefined
  lines?: number
  children: (value: T) => ComponentChildren
}) {
  const { from } = props
  if (!from || from.state === 'loading') return <Skeleton lines={props.lines ?? 3} />
  if (from.state === 'failed') return <Failed problem={from.problem} {...(props.retry && { retry: props.retry })} />
  return <>{props.children(from.value)}</>
}

/** A list that is read page by page, in whichever state it is, with a button for more. */
export function PagedList<T>(props: {
  of: Paged<T>
  empty: ComponentChildren
  /** Whether there is a button for more; not where only the newest are shown. */
  button?: boolean
  children: (items: readonly T[]) => ComponentChildren
}) {
  const t = useText()
  const frame = useRef<HTMLDivElement>(null)
  const { items, state, problem, more } = signalsOf(props.of)
  const failed = state === 'failed' && problem
  const loadMore = async () => {
    await props.of.loadMore()
    // On the last page the button goes: the focus must not go with it.
    if (!props.of.more.value) frame.current?.focus()
  }
  return (
    <div class="paged" ref={frame} tabIndex={-1}>
      {items.length > 0 && props.children(items)}
      {items.length === 0 && state === 'ready' && props.empty}
      {items.length === 0 && (state === 'idle' || state === 'loading') && <Skeleton lines={4} />}
      {failed && (
        <Failed problem={failed} retry={() => void (items.length > 0 ? props.of.loadMore() : props.of.reload())} />
      )}
      {items.length > 0 && more && !failed && props.button !== false && (
        <button type="button" class="button button-quiet more" aria-busy={state === 'loading'} onClick={loadMore}>
          {state === 'loading' ? t('state.loadingMore') : t('state.more')}
        </button>
      )}
    </div>
  )
}

function signalsOf<T>(paged: Paged<T>) {
  const read = <V,>(signal: ReadonlySignal<V>) => signal.value
  return { items: read(paged.items), state: read(paged.state), problem: read(paged.problem), more: read(paged.more) }
}
