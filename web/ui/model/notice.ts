/** What a toast is made from. It is kept instead of its text, so that the history speaks the language of now. */
import type { LetterKind, Order } from '@checkout/contracts/http.ts'
import type { Failure } from './failure.ts'
import type { Settings } from './settings.ts'
import { asNumber, asString, fieldsOf } from './storage.ts'

export interface Notice {
  id: string
  kind: LetterKind | 'refused'
  at: number
  orderId: string | null
  letterId?: string
  letterSeq?: number
  /** The letter's. */
  subject?: string
  order?: Pick<Order, 'amount' | 'currency' | 'description' | 'failureReason'>
  refused?: {
    action: 'order' | 'deposit' | 'withdrawal'
    amount: number
    currency: string
    /** The order's. */
    description?: string
    problem: Pick<Failure, 'code' | 'detail'>
  }
}

/** A notice in words. */
export interface Toast {
  id: string
  tone: 'good' | 'bad' | 'info'
  title: string
  text: string
  orderId: string | null
  /** Wall clock, ms. */
  at: number
  letterId?: string
  /** For links to the letter: `#/letters/{letterSeq}`. */
  letterSeq?: number
}

/** In the user's language. */
export function sayNotice(notice: Notice, settings: Settings): Toast {
  const { id, at, orderId, letterId, letterSeq } = notice
  return {
    id,
    at,
    orderId,
    ...(letterId !== undefined && { letterId }),
    ...(letterSeq !== undefined && { letterSeq }),
    ...words(notice, settings),
  }
}

function words(notice: Notice, settings: Settings): Pick<Toast, 'tone' | 'title' | 'text'> {
  const t = settings.t.value
  const { kind, order, refused, subject = '' } = notice
  switch (kind) {
    case 'order_paid':
      return {
        tone: 'good',
        title: t('toast.order_paid'),
        text: order ? what(order, settings) : t('toast.order_paid.text'),
      }
    case 'order_failed': {
      const reason = order?.failureReason
      const why = reason ? t(`toast.order_failed.${reason}`) : t('toast.order_failed.text')
      return { tone: 'bad', title: t('toast.order_failed'), text: order ? `${what(order, settings)}. ${why}` : why }
    }
    case 'message':
      return { tone: 'info', title: t('toast.message'), text: short(subject) }
    case 'refused': {
      if (!refused) return { tone: 'bad', title: '', text: '' }
      const { action, amount, currency, description, problem } = refused
      const title = t(`toast.refused.${action}`, {
        what: description === undefined ? settings.money(amount, currency) : short(description),
      })
      return { tone: 'bad', title, text: settings.explain({ ...problem, status: 0, fields: {} }) }
    }
  }
}

/** A description may have 500 characters: as a toast that would cover a phone. */
const WHAT_MAX = 80
const short = (text: string) => {
  const characters = [...text]
  return characters.length > WHAT_MAX ? `${characters.slice(0, WHAT_MAX).join('').trimEnd()}…` : text
}

const what = (order: NonNullable<Notice['order']>, settings: Settings) =>
  settings.t.value('toast.order', {
    what: short(order.description),
    amount: settings.money(order.amount, order.currency),
  })

const kinds = ['order_paid', 'order_failed', 'message', 'refused'] as const

/** A notice out of storage. */
export function parseNotice(value: unknown): Notice | undefined {
  const { id, kind, at, orderId, letterId, letterSeq, subject, order, refused } = fieldsOf(value)
  const known = kinds.find((name) => name === kind)
  if (typeof id !== 'string' || typeof at !== 'number' || !known) return undefined
  if (known === 'refused' && parseRefused(refused) === undefined) return undefined
  return {
    id,
    kind: known,
    at,
    orderId: asString(orderId) ?? null,
    ...optional('letterId', asString(letterId)),
    ...optional('letterSeq', asNumber(letterSeq)),
    ...optional('subject', asString(subject)),
    ...optional('order', parseOrder(order)),
    ...optional('refused', parseRefused(refused)),
  }
}

const optional = <K extends string, V>(name: K, value: V | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { [key in K]?: V }

function parseOrder(value: unknown): Notice['order'] | undefined {
  const { amount, currency, description, failureReason } = fieldsOf(value)
  if (typeof amount !== 'number' || typeof currency !== 'string' || typeof description !== 'string') return undefined
  const reason = failureReason === 'insufficient_funds' || failureReason === 'account_not_found' ? failureReason : null
  return { amount, currency, description, failureReason: reason }
}

const actions = ['order', 'deposit', 'withdrawal'] as const

function parseRefused(value: unknown): Notice['refused'] | undefined {
  const { action, amount, currency, description, problem } = fieldsOf(value)
  const { code, detail } = fieldsOf(problem)
  const known = actions.find((name) => name === action)
  if (!known || typeof amount !== 'number' || typeof currency !== 'string') return undefined
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined
  return {
    action: known,
    amount,
    currency,
    ...optional('description', asString(description)),
    problem: { code, detail },
  }
}
