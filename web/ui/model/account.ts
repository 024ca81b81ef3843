/** The user's account: balance, ledger, and the movements of money that the user makes. */
import { isCurrency } from '@checkout/contracts/currencies.ts'
import type { Account, LedgerEntry } from '@checkout/contracts/http.ts'
import { computed, effect, type ReadonlySignal, signal } from '@preact/signals-core'
import type { Api } from './api.ts'
import { type Attempts, createAttempts, type Pending } from './attempts.ts'
import { type Failure, failure, loading, noUser, type Remote, type Result } from './failure.ts'
import { parseAmount } from './money.ts'
import { createPaged, type Paged } from './paged.ts'
import { createRefresher } from './refresher.ts'
import { fieldsOf, type Store } from './storage.ts'
import type { Language } from './translate.ts'
import type { Visit, Visits } from './visit.ts'

/** A deposit or withdrawal whose answer has not come (yet). */
export interface MoneyAttempt {
  key: string
  kind: 'deposit' | 'withdrawal'
  amount: number
  state: 'sending' | 'unanswered'
  problem?: Failure
}

export interface AccountModel {
  /** undefined: nobody is current. While the account is being opened it is `loading`. */
  account: ReadonlySignal<Remote<Account> | undefined>
  entries: Paged<LedgerEntry>
  /** Amounts as people type them, in major units: '1499.00', '1 499,00'. */
  deposit(text: string): Promise<Result>
  withdraw(text: string): Promise<Result>
  /** The movement that has no answer yet; it goes again by itself like an order, see checkout.ts. */
  attempt: ReadonlySignal<MoneyAttempt | undefined>
  retry(): Promise<Result>
  abandon(): void
  refresh(): Promise<void>
  currency: ReadonlySignal<string>
}

/** An account opens within moments of the registration; until then it is asked for at growing intervals. */
const OPENING_FIRST_MS = 100
const OPENING_MAX_MS = 2_000
/** After this long the user is told that it is not there yet; asking goes on. */
const OPENING_PATIENCE_MS = 30_000

interface Movement {
  kind: 'deposit' | 'withdrawal'
  amount: number
}

export interface AccountDeps {
  api: Api
  store: Store
  visits: Visits
  now(): number
  newId(): string
  language: ReadonlySignal<Language>
  /** A movement that went again by itself was refused. */
  onRefused(movement: Movement, problem: Failure, userId: string): void
}

export type OwnAccount = AccountModel & {
  /**
   * The deployment's currency, as an answer has told it: amounts are not read by a guess, which could be wrong by a
   * factor of 100. Waits for an account that is being opened.
   */
  confirmedCurrency(): Promise<{ ok: true; currency: string } | { ok: false; problem: Failure }>
  /** An answer has shown the currency. */
  learnCurrency(currency: string): void
  /** Sends what has no answer yet once more. */
  resume(): void
}

export function createAccount({ api, store, visits, now, newId, language, onRefused }: AccountDeps): OwnAccount {
  const storedCurrency = () => store.read('currency', asCurrency)
  const account = signal<Remote<Account> | undefined>(undefined)
  const entries = createPaged<LedgerEntry>({ api, visits, path: () => '/accounts/me/transactions' })
  const shownCurrency = signal(storedCurrency() ?? 'RUB')
  let confirmed: string | undefined
  /** Since the account was first found to be not there yet; undefined = it is not being waited for. */
  let opening: { tries: number; waitedMs: number } | undefined
  let cancelRetry = () => {}

  visits.each((visit) => {
    opening = undefined
    account.value = loading
    visit.onEnd(() => {
      account.value = undefined
    })
    void refreshAccount()
    moves.resume()
  })

  const refreshAccount = createRefresher(async () => {
    const visit = visits.current.peek()
    if (!visit) return
    const { userId, signal } = visit
    const answer = await api.get<Account>('/accounts/me', { userId, signal })
    if (visit.ended) return
    cancelRetry()
    if (answer.ok) {
      opening = undefined
      learnCurrency(answer.value.currency)
      account.value = { state: 'ready', value: answer.value }
      if (entries.state.peek() === 'idle') void entries.reload()
    } else if (answer.problem.code === 'account_not_found') waitForOpening(visit, answer.problem)
    else if (account.peek()?.state !== 'ready') account.value = { state: 'failed', problem: answer.problem }
  })

  function waitForOpening(visit: Visit, problem: Failure) {
    opening ??= { tries: 0, waitedMs: 0 }
    account.value = opening.waitedMs < OPENING_PATIENCE_MS ? loading : { state: 'failed', problem }
    const delayMs = Math.min(OPENING_MAX_MS, OPENING_FIRST_MS * 1.5 ** opening.tries++)
    opening.waitedMs += delayMs
    cancelRetry = visit.after(delayMs, () => void refreshAccount())
  }

  function learnCurrency(currency: string) {
    if (confirmed === currency) return
    confirmed = currency
    shownCurrency.value = currency
    store.write('currency', currency)
  }

  async function confirmedCurrency() {
    if (confirmed === undefined) await refreshAccount()
    if (confirmed === undefined) await openingOver()
    // Services refuse to start on data of another currency, so the one of before may stand in while payments is down.
    const currency = confirmed ?? storedCurrency()
    if (currency !== undefined) return { ok: true, currency } as const
    const known = account.peek()
    const problem =
      known?.state === 'failed' ? known.problem : failure('currency_unknown', 'The account is still being opened.')
    return { ok: false, problem } as const
  }

  /** Resolves when the account is there, has failed, or belongs to a visit that is over. */
  function openingOver(): Promise<void> {
    return new Promise((resolve) => {
      effect(function () {
        if (account.value?.state === 'loading') return
        this.dispose()
        resolve()
      })
    })
  }

  const moves: Attempts<Movement, LedgerEntry> = createAttempts({
    api,
    store,
    visits,
    now,
    newId,
    entry: 'movements.unanswered',
    parse: toMovement,
    request: ({ kind, amount }) => ({ path: `/accounts/me/${kind}s`, body: { amount } }),
    onDone: (_entry, userId) => {
      if (visits.current.peek()?.userId === userId) void refreshAll()
    },
    onRefused,
  })

  async function refreshAll() {
    await Promise.all([refreshAccount(), entries.refresh()])
  }

  async function move(kind: Movement['kind'], text: string): Promise<Result> {
    const visit = visits.current.peek()
    if (!visit) return noUser
    const currency = await confirmedCurrency()
    // Whoever pressed the button is not the one whose money would be moved.
    if (visit.ended) return noUser
    if (!currency.ok) return currency
    const parsed = parseAmount(text, currency.currency, language.peek())
    if (!parsed.ok) {
      return {
        ok: false,
        problem: failure('validation_failed', 'The amount is not valid.', { '/amount': parsed.message }),
      }
    }
    return moves.submit({ kind, amount: parsed.minor })
  }

  return {
    account,
    entries,
    deposit: (text) => move('deposit', text),
    withdraw: (text) => move('withdrawal', text),
    attempt: computed(() => {
      const pending = moves.pending.value
      return pending && toAttempt(pending)
    }),
    retry: moves.retry,
    abandon: moves.abandon,
    refresh: refreshAll,
    currency: shownCurrency,
    confirmedCurrency,
    learnCurrency,
    resume: moves.resume,
  }
}

const toAttempt = ({ key, input, state, problem }: Pending<Movement>): MoneyAttempt => ({
  key,
  ...input,
  state,
  ...(problem && { problem }),
})

const asCurrency = (value: unknown) => (typeof value === 'string' && isCurrency(value) ? value : undefined)

function toMovement(value: unknown): Movement | undefined {
  const { kind, amount } = fieldsOf(value)
  if ((kind !== 'deposit' && kind !== 'withdrawal') || !Number.isSafeInteger(amount)) return undefined
  return { kind, amount: amount as number }
}
