/**
 * A request nobody has answered: it may have happened or not. The model repeats the same one, which cannot happen twice;
 * until it is known what became of it, this stands in the form's place.
 */
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Failure } from '../model/failure.ts'
import type { FormState } from './form.tsx'
import { Icon } from './icons.tsx'
import { useFocusKept } from './page.tsx'
import { useText } from './shop.ts'
import { Failed } from './states.tsx'

interface Attempt {
  state: 'sending' | 'unanswered'
  problem?: Failure
}

/** Whether the attempt hides the form. The form is emptied once that is over, or the same would be typed in already. */
export function useUnanswered(attempt: Attempt | undefined, form: FormState): boolean {
  // While the form itself sends, its button says so.
  const unanswered = attempt !== undefined && (attempt.state === 'unanswered' || form.busy === undefined)
  const before = useRef(unanswered)
  useEffect(() => {
    if (before.current && !unanswered) form.clear()
    before.current = unanswered
  }, [unanswered, form.clear])
  return unanswered
}

export function Unanswered(props: {
  attempt: Attempt
  /** Whether it was sent from this page just now: then the focus was on the form, which is gone. */
  takeFocus: boolean
  retry(): void
  abandon(): void
  children: ComponentChildren
}) {
  const t = useText()
  const frame = useFocusKept<HTMLDivElement>()
  const { attempt, takeFocus } = props
  useLayoutEffect(() => {
    if (takeFocus) frame.current?.focus()
  }, [takeFocus, frame])
  const sending = attempt.state === 'sending'
  return (
    <div class="unanswered" tabIndex={-1} ref={frame}>
      <p class="unanswered-title">
        <Icon name="clock" />
        {sending ? t('attempt.sending') : t('attempt.unanswered')}
      </p>
      <p class="unanswered-what">{props.children}</p>
      <p class="soft small">{t('attempt.hint')}</p>
      {attempt.problem && !sending && <Failed problem={attempt.problem} />}
      <div class="buttons">
        <button
          type="button"
          class="button"
          aria-disabled={sending}
          aria-busy={sending}
          onClick={() => sending || props.retry()}
        >
          {sending ? <span class="spinner" aria-hidden="true" /> : <Icon name="refresh" size={18} />}
          {sending ? t('attempt.working') : t('attempt.retry')}
        </button>
        <button type="button" class="button button-quiet" onClick={props.abandon}>
          {t('attempt.abandon')}
        </button>
      </div>
    </div>
  )
}
