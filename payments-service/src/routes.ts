/** HTTP in: accounts and their ledger. */
import * as examples from '@checkout/contracts/examples.ts'
import { Account, Journey, LedgerEntry, LedgerPage, Movement, ref } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import {
  bodyErrors,
  identityErrors,
  limitTooLarge,
  location,
  replayed,
  responses,
  success,
  unknownField,
} from '@checkout/http/docs.ts'
import { identify } from '@checkout/http/identity.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/http/pages.ts'
import { noBody } from '@checkout/http/validation.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { idempotencyHeader, idempotencyKey, sendAnswer } from '@checkout/service/idempotent-route.ts'
import { Type } from 'typebox'
import { toAccount, toEntry } from './account.ts'
import { journeyOf } from './journey.ts'
import { moveMoney } from './move-money.ts'
import { openAccount } from './open-account.ts'
import type { PaymentsStore } from './store/port.ts'

export interface RoutesDeps {
  store: PaymentsStore
  readonly platform: Platform
  currency: string
}

export function accountRoutes(app: App, { store, platform, currency }: RoutesDeps): void {
  const tags = ['accounts']

  app.post(
    '/accounts',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'openAccount',
        summary: 'Open the user’s account',
        description: 'At most one per user. A registered user’s account opens by itself. Send no body, or `{}`.',
        body: noBody,
        response: responses(
          {
            201: success(ref(Account), {
              description: 'The account is open, with nothing on it.',
              headers: location('/accounts/me'),
              example: examples.openedAccount,
            }),
          },
          [...identityErrors, ...bodyErrors, 'account_exists', 'store_unavailable', 'outcome_unknown'],
          unknownField,
        ),
      },
    },
    async ({ userId }, reply) => {
      const account = await store.write((tx) => openAccount(tx, userId, { platform, currency }))
      return reply.code(201).header('location', '/accounts/me').send(account)
    },
  )

  app.get(
    '/accounts/me',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'getAccount',
        summary: 'Read the balance',
        description: 'The account of the user that X-User-Id names.',
        response: responses({ 200: success(ref(Account), { description: 'The account and its balance now.' }) }, [
          ...identityErrors,
          'account_not_found',
          'store_unavailable',
        ]),
      },
    },
    async ({ userId }) => toAccount(await find(userId)),
  )

  for (const kind of ['deposit', 'withdrawal'] as const) {
    app.post(
      `/accounts/me/${kind}s`,
      {
        onRequest: identify,
        schema: {
          tags,
          operationId: kind === 'deposit' ? 'deposit' : 'withdraw',
          summary: kind === 'deposit' ? 'Put money on the account' : 'Take money off the account',
          description: 'Send an Idempotency-Key so that a retry moves the money once.',
          headers: idempotencyHeader,
          body: ref(Movement),
          response: responses(
            {
              201: success(ref(LedgerEntry), {
                description: 'The money is moved; this is its entry in the ledger.',
                headers: replayed,
                example: kind === 'deposit' ? examples.deposit : examples.withdrawal,
              }),
            },
            [
              ...identityErrors,
              ...bodyErrors,
              'account_not_found',
              kind === 'deposit' ? 'balance_limit' : 'insufficient_funds',
              'idempotency_key_invalid',
              'idempotency_key_reused',
              'store_unavailable',
              'outcome_unknown',
            ],
          ),
        },
      },
      async ({ userId, body, raw }, reply) => {
        const movement = { kind, userId, amount: body.amount, idempotencyKey: idempotencyKey(raw) }
        const answer = await store.write((tx) => moveMoney(tx, movement, { platform }))
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
        operationId: 'listTransactions',
        summary: 'List the ledger',
        description: 'Newest first, one page at a time. Amounts are positive; the kind gives the sign.',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: responses(
          { 200: success(ref(LedgerPage), { description: 'One page of entries; empty when there are none.' }) },
          [...identityErrors, 'validation_failed', 'account_not_found', 'store_unavailable'],
          limitTooLarge,
        ),
      },
    },
    async ({ userId, query: { cursor, limit } }) => {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
      await find(userId)
      const page = toPage(await store.read.ledger.list(userId, before, limit + 1), limit, (row) => row.number)
      return { items: page.items.map(toEntry), next: page.next }
    },
  )

  app.get(
    '/journeys/payments/:id',
    {
      onRequest: identify,
      schema: {
        tags: ['journeys'],
        operationId: 'getPaymentsJourney',
        summary: 'What payments-service knows of an order’s way',
        description: 'Every step is one that was stored. The steps outbox and published go after about ten minutes.',
        params: Type.Object({ id: Type.String({ description: "The order's id, as POST /orders answered it." }) }),
        response: responses(
          {
            200: success(ref(Journey), {
              description: 'The steps, oldest first.',
              example: examples.paymentsJourney,
            }),
          },
          [...identityErrors, 'order_not_found', 'store_unavailable'],
        ),
      },
    },
    async ({ params, userId }) => {
      const decision = await store.read.decisions.find(params.id, userId)
      if (!decision) throw new Problem('order_not_found')
      return journeyOf(decision, store.read)
    },
  )

  async function find(userId: string) {
    const account = await store.read.accounts.find(userId)
    if (!account) throw new Problem('account_not_found')
    return account
  }
}
