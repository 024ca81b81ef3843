/** Placing an order, once. */
import type { Order } from '@checkout/contracts/http.ts'
import { computed, type ReadonlySignal } from '@preact/signals-core'
import type { OwnAccount } from './account.ts'
import type { Answer, Api } from './api.ts'
import { createAttempts, type Pending } from './attempts.ts'
import { type Failure, failure, noUser } from './failure.ts'
import { parseAmount } from './money.ts'
import { fieldsOf, type Store } from './storage.ts'
import type { Language } from './translate.ts'
import type { Visits } from './visit.ts'

export interface Attempt {
  key: string
  /** In minor units. */
  amount: number
  description: string
  state: 'sending' | 'unanswered'
  problem?: Failure
}

export type Placed = { ok: true; order: Order } | { ok: false; problem: Failure }

export interface Checkout {
  /** The order that is being placed, or whose answer never came. */
  attempt: ReadonlySignal<Attempt | undefined>
  /** Field errors come on '/amount' and '/description'. */
  place(input: { amount: string; description: string }): Promise<Placed>
  retry(): Promise<Placed>
  /** Forgets the attempt. It may have arrived all the same: the list of orders tells. */
  abandon(): void
}

/** As in packages/contracts/src/values.ts. */
const DESCRIPTION_MAX = 500

interface NewOrder {
  amount: number
  description: string
}

export interface CheckoutDeps {
  api: Api
  store: Store
  visits: Visits
  now(): number
  newId(): string
  language: ReadonlySignal<Language>
  confirmedCurrency: OwnAccount['confirmedCurrency']
  onPlaced(order: Order): void
  /** An order that went again by itself was refused. */
  onRefused(order: NewOrder, problem: Failure, userId: string): void
}

export type OwnCheckout = Checkout & {
  /** Sends what has no answer yet once more. */
  resume(): void
}

export function createCheckout(deps: CheckoutDeps): OwnCheckout {
  const { api, store, visits, now, newId, language, confirmedCurrency, onPlaced, onRefused } = deps
  const orders = createAttempts<NewOrder, Order>({
    api,
    store,
    visits,
    now,
    newId,
    entry: 'orders.unanswered',
    parse: toNewOrder,
    request: (body) => ({ path: '/orders', body }),
    onDone: onPlaced,
    onRefused,
  })
  visits.each(orders.resume)

  return {
    attempt: computed(() => {
      const pending = orders.pending.value
      return pending && toAttempt(pending)
    }),
    async place({ amount, description }) {
      const visit = visits.current.peek()
      if (!visit) return noUser
      const currency = await confirmedCurrency()
      // Whoever pressed the button is not the one who would pay.
      if (visit.ended) return noUser
      if (!currency.ok) return currency
      const parsed = parseAmount(amount, currency.currency, language.peek())
      const text = description.trim()
      const fields = {
        ...(!parsed.ok && { '/amount': parsed.message }),
        ...(text === '' && { '/description': 'must not be empty' }),
        ...([...text].length > DESCRIPTION_MAX && {
          '/description': `must have at most ${DESCRIPTION_MAX} characters`,
        }),
      }
      if (!parsed.ok || Object.keys(fields).length > 0) {
        return { ok: false, problem: failure('validation_failed', 'Some values are not valid.', fields) }
      }
      return toPlaced(await orders.submit({ amount: parsed.minor, description: text }))
    },
    retry: async () => toPlaced(await orders.retry()),
    abandon: orders.abandon,
    resume: orders.resume,
  }
}

const toPlaced = (answer: Answer<Order>): Placed => (answer.ok ? { ok: true, order: answer.value } : answer)

const toAttempt = ({ key, input, state, problem }: Pending<NewOrder>): Attempt => ({
  key,
  ...input,
  state,
  ...(problem && { problem }),
})

function toNewOrder(value: unknown): NewOrder | undefined {
  const { amount, description } = fieldsOf(value)
  if (!Number.isSafeInteger(amount) || typeof description !== 'string') return undefined
  return { amount: amount as number, description }
}
