/** Forms: fields that know their error, a button that shows progress, the focus on what is wrong. */
import type { ComponentChildren, TargetedSubmitEvent } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Failure } from '../model/failure.ts'
import { Icon, type IconName } from './icons.tsx'
import { useShop } from './shop.ts'
import { Failed } from './states.tsx'

type Outcome = { ok: true } | { ok: false; problem: Failure }

export interface FormState {
  /** The value of the button whose request is under way. */
  busy: string | undefined
  problem: Failure | undefined
  errorOf(field: string): string | undefined
  /** Empties the form and forgets what was wrong with it. */
  clear(): void
  bind: {
    ref: { current: HTMLFormElement | null }
    noValidate: true
    onSubmit(event: TargetedSubmitEvent<HTMLFormElement>): void
  }
}

/**
 * State of a form whose fields are the inputs' names. `send` gets the values and the value of the button; after a
 * refusal the first wrong field gets the focus, after a success the form is emptied and `done` is called.
 */
export function useForm(
  send: (values: Record<string, string>, button: string) => Promise<Outcome>,
  done: (button: string) => void = () => {},
): FormState {
  const { settings } = useShop()
  const [busy, setBusy] = useState<string>()
  const [problem, setProblem] = useState<Failure>()
  const ref = useRef<HTMLFormElement>(null)
  useLayoutEffect(() => {
    if (!problem) return
    const wrong = ref.current?.querySelector<HTMLElement>('[aria-invalid="true"], .form-problem')
    wrong?.focus()
  }, [problem])

  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (busy !== undefined) return // a second press while the first is under way
    const form = event.currentTarget
    const { submitter } = event
    const button = (submitter as HTMLButtonElement | null)?.value ?? ''
    const values: Record<string, string> = {}
    for (const [name, value] of new FormData(form)) values[name] = String(value)
    setBusy(button)
    setProblem(undefined)
    const outcome = await send(values, button)
    setBusy(undefined)
    if (!outcome.ok) return setProblem(outcome.problem)
    form.reset()
    done(button)
  }
  return {
    busy,
    problem,
    errorOf: (field) => settings.explainField(problem, `/${field}`),
    clear: () => {
      ref.current?.reset()
      setProblem(undefined)
    },
    bind: { ref, noValidate: true, onSubmit: (event) => void submit(event) },
  }
}

interface FieldProps {
  form: FormState
  name: string
  label: string
  hint?: string
  optional?: string
  /** Shown inside the field at its end, such as a currency. */
  unit?: string
  rows?: number
  type?: 'email'
  inputMode?: 'decimal' | 'email' | 'text'
  autoComplete: string
  spellcheck?: boolean
}

export function Field({ form, name, label, hint, optional, unit, rows, type, ...input }: FieldProps) {
  const id = useId()
  const error = form.errorOf(name)
  const describedBy = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ')
  const attributes = {
    ...input,
    id,
    name,
    class: 'input',
    'aria-required': optional === undefined,
    ...(error && { 'aria-invalid': true }),
    ...(describedBy && { 'aria-describedby': describedBy }),
  }
  return (
    <div class="field">
      <label for={id}>
        {label}
        {optional && <span class="soft small"> {optional}</span>}
      </label>
      <div class={unit ? 'with-unit' : undefined}>
        {rows ? (
          <textarea rows={rows} {...attributes} />
        ) : type === 'email' ? (
          <input type="email" {...attributes} />
        ) : (
          <input type="text" {...attributes} />
        )}
        {unit && (
          <span class="unit soft" aria-hidden="true">
            {unit}
          </span>
        )}
      </div>
      {error && (
        <p class="field-error" id={`${id}-error`}>
          <Icon name="alert" size={16} />
          {error}
        </p>
      )}
      {hint && (
        <p class="soft small" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** A refusal that is no field's fault; `fields` are those of the form, which show theirs themselves. */
export function FormProblem({ form, fields }: { form: FormState; fields: readonly string[] }) {
  if (!form.problem || fields.some((field) => form.errorOf(field))) return null
  return (
    <div class="form-problem" tabIndex={-1}>
      <Failed problem={form.problem} />
    </div>
  )
}

/** It stays in the tab order and keeps the focus while it works: it is never disabled. */
export function SubmitButton(props: {
  form: FormState
  icon?: IconName
  value?: string
  quiet?: boolean
  working: string
  children: ComponentChildren
}) {
  const { form, icon, value = '' } = props
  const working = form.busy === value
  return (
    <button
      type="submit"
      value={value}
      class={props.quiet ? 'button button-quiet' : 'button'}
      aria-disabled={form.busy !== undefined}
      aria-busy={working}
    >
      {working ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} size={18} />}
      {working ? props.working : props.children}
    </button>
  )
}
