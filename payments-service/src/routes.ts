/** HTTP in: accounts and their ledger. */
import { Account, Journey, LedgerEntry, LedgerPage, Movement, ref } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/service/app.ts'
import type { Clock, NewId } from '@checkout/service/clock.ts'
import { bodyErrors, identityErrors, responses } from '@checkout/service/docs.ts'
import { idempotencyHeader, idempotencyKey, sendAnswer } from '@checkout/service/idempotent-route.ts'
import { identify } from '@checkout/service/identity.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/service/pages.ts'
import { Problem } from '@checkout/service/problem.ts'
import { noBody } from '@checkout/service/validation.ts'
import { Type } from 'typebox'
import { toAccount, toEntry } from './account.ts'
import { journeyOf } from './journey.ts'
import { moveMoney } from './move-money.ts'
import { openAccount } from './open-account.ts'
import type { PaymentsStore } from './store/index.ts'

export interface RoutesDeps {
  store: PaymentsStore
  clock: Clock
  newId: NewId
  currency: string
}

export function accountRoutes(app: App, { store, clock, newId, currency }: RoutesDeps): void {
  const tags = ['accounts']

  app.post(
    '/accounts',
    {
      onRequest: identify,
      schema: {
        tags,
        summary: 'Open the user’s account',
        description: 'At most one per user. A registered user’s account opens by itself.',
        body: noBody,
        response: responses({ 201: ref(Account) }, [
          ...identityErrors,
          ...bodyErrors,
          'account_exists',
          'store_unavailable',
        ]),
      },
    },
    async ({ userId }, reply) => {
      const account = await store.write((tx) => openAccount(tx, userId, { clock, currency }))
      return reply.code(201).header('location', '/accounts/me').send(account)
    },
  )

  app.get(
    '/accounts/me',
    {
      onRequest: identify,
      schema: {
        tags,
        summary: 'Read the balance',
        response: responses({ 200: ref(Account) }, [...identityErrors, 'account_not_found', 'store_unavailable']),
      },
    },
    ({ userId }) => toAccount(find(userId)),
  )

  for (const kind of ['deposit', 'withdrawal'] as const) {
    app.post(
      `/accounts/me/${kind}s`,
      {
        onRequest: identify,
        schema: {
          tags,
          summary: kind === 'deposit' ? 'Put money on the account' : 'Take money off the account',
          description: 'The answer is the ledger entry.',
          headers: idempotencyHeader,
          body: ref(Movement),
          response: responses({ 201: ref(LedgerEntry) }, [
            ...identityErrors,
            ...bodyErrors,
            'account_not_found',
            kind === 'deposit' ? 'balance_limit' : 'insufficient_funds',
            'idempotency_key_invalid',
            'idempotency_key_reused',
            'store_unavailable',
          ]),
        },
      },
      async ({ userId, body, raw }, reply) => {
        const movement = { kind, userId, amount: body.amount, idempotencyKey: idempotencyKey(raw) }
        const answer = await store.write((tx) => moveMoney(tx, movement, { clock, newId }))
        return sendAnswer(reply, answer)
      },
    )
  }

  app.get(
    '/accounts/me/transactions',
    {
      onRequest: identify,
      schema: {
        tags,
        summary: 'List the ledger',
        description: 'Newest first. Amounts are positive; the kind gives the sign.',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: responses({ 200: ref(LedgerPage) }, [
          ...identityErrors,
          'validation_failed',
          'account_not_found',
          'store_unavailable',
        ]),
      },
    },
    ({ userId, query: { cursor, limit } }) => {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
      find(userId)
      const page = toPage(store.read.ledger.list(userId, before, limit + 1), limit, (row) => row.number)
      return { items: page.items.map(toEntry), next: page.next }
    },
  )

  app.get(
    '/journeys/payments/:id',
    {
      onRequest: identify,
      schema: {
        tags: ['journeys'],
        summary: 'What payments-service knows of an order’s way',
        description: 'Each step comes from a stored row; outbox and stream steps stay for about ten minutes.',
        params: Type.Object({ id: Type.String({ description: "The order's id." }) }),
        response: responses({ 200: ref(Journey) }, [...identityErrors, 'order_not_found', 'store_unavailable']),
      },
    },
    ({ params, userId }) => {
      const decision = store.read.decisions.find(params.id, userId)
      if (!decision) throw new Problem('order_not_found')
      return journeyOf(decision, store.read)
    },
  )

  function find(userId: string) {
    const account = store.read.accounts.find(userId)
    if (!account) throw new Problem('account_not_found')
    return account
  }
}
