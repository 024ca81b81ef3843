/** What every view starts with: its heading, which is also the page's title. */
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { useText } from './shop.ts'

export function Page(props: {
  heading: string
  /** The page's title when the heading is not telling, such as an order's description. */
  title?: string
  lead?: ComponentChildren
  aside?: ComponentChildren
  children: ComponentChildren
}) {
  const t = useText()
  const title = props.title ?? props.heading
  useEffect(() => {
    document.title = `${title} · ${t('app.name')}`
  }, [title, t])
  return (
    <>
      <div class="page-head">
        <div>
          <h1 tabIndex={-1}>{props.heading}</h1>
          {props.lead && <div class="lead soft">{props.lead}</div>}
        </div>
        {props.aside}
      </div>
      {props.children}
    </>
  )
}

/** A framed part of a view. */
export function Card(props: {
  heading?: string
  class?: string
  aside?: ComponentChildren
  children: ComponentChildren
}) {
  return (
    <section class={`card ${props.class ?? ''}`}>
      {props.heading && (
        <div class="card-head">
          <h2>{props.heading}</h2>
          {props.aside}
        </div>
      )}
      {props.children}
    </section>
  )
}

/** Where the focus goes when what had it is gone, and when one comes to another view. */
export function focusHeading() {
  document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
}

/** For a part that may vanish under a press of its own button: the focus is not lost with it. */
export function useFocusKept<T extends HTMLElement>() {
  const part = useRef<T>(null)
  // Layout effects end before the part leaves the page, others after.
  useLayoutEffect(() => {
    const element = part.current
    return () => {
      if (element?.contains(document.activeElement)) queueMicrotask(focusHeading)
    }
  }, [])
  return part
}
