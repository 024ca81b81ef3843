/** HTTP in: letters. */
import * as examples from '@checkout/contracts/examples.ts'
import { Journey, Letter, LetterPage, NewMessage, ref } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import { bodyErrors, identityErrors, limitTooLarge, responses, success } from '@checkout/http/docs.ts'
import { identify } from '@checkout/http/identity.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/http/pages.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { Type } from 'typebox'
import { journeyOf } from './journey.ts'
import { toLetter } from './letter.ts'
import type { Push } from './push.ts'
import type { NotificationsStore } from './store/port.ts'
import { type LetterTerms, writeMessage } from './write-letter.ts'

export interface RoutesDeps {
  store: NotificationsStore
  terms: LetterTerms
  push: Push
}

export function letterRoutes(app: App, { store, terms, push }: RoutesDeps): void {
  const tags = ['notifications']

  app.get(
    '/notifications',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'listNotifications',
        summary: 'List the user’s letters',
        description: 'Newest first, one page at a time.',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: responses(
          { 200: success(ref(LetterPage), { description: 'One page of letters; empty when there are none.' }) },
          [...identityErrors, 'validation_failed', 'store_unavailable'],
          limitTooLarge,
        ),
      },
    },
    async ({ userId, query: { cursor, limit } }) => {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
      const page = toPage(await store.read.letters.list(userId, before, limit + 1), limit, (row) => row.seq)
      return { items: page.items.map(toLetter), next: page.next }
    },
  )

  app.post(
    '/notifications',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'sendMessage',
        summary: 'Send the user a message',
        description: 'To the user’s own address: stored, pushed and mailed like every other letter.',
        body: ref(NewMessage),
        response: responses(
          {
            201: success(ref(Letter), {
              description: 'The letter is stored; pushing and mailing follow.',
              example: examples.message,
            }),
          },
          [...identityErrors, ...bodyErrors, 'store_unavailable', 'outcome_unknown'],
          { path: '/subject', message: 'must not be empty' },
        ),
      },
    },
    async ({ userId, body }, reply) => {
      const letter = await store.write((tx) => writeMessage(tx, userId, body, terms))
      push.wake(userId)
      return reply.code(201).send(letter)
    },
  )

  app.get(
    '/journeys/notifications/:id',
    {
      onRequest: identify,
      schema: {
        tags: ['journeys'],
        operationId: 'getNotificationsJourney',
        summary: 'What notifications-service knows of an order’s way',
        description: 'Every step is one that was stored. 404 until the order’s letter is written.',
        params: Type.Object({ id: Type.String({ description: "The order's id, as POST /orders answered it." }) }),
        response: responses(
          {
            200: success(ref(Journey), {
              description: 'The steps, oldest first.',
              example: examples.notificationsJourney,
            }),
          },
          [...identityErrors, 'order_not_found', 'store_unavailable'],
        ),
      },
    },
    async ({ params, userId }) => {
      const letter = await store.read.letters.about(params.id, userId)
      if (!letter) throw new Problem('order_not_found')
      return journeyOf(letter)
    },
  )
}
