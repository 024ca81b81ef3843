/** `/admin/dead-letters`, on the service's own port only: what could not be handled, to be replayed or discarded. */
import * as examples from '@checkout/contracts/examples.ts'
import { ref } from '@checkout/contracts/http.ts'
import { Timestamp } from '@checkout/contracts/values.ts'
import type { App } from '@checkout/http/app.ts'
import { bodyErrors, limitTooLarge, responses, success, unknownField } from '@checkout/http/docs.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/http/pages.ts'
import { noBody } from '@checkout/http/validation.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { Handling } from '@checkout/messaging/handling.ts'
import type { DeadLetterRow, MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import { replay } from '@checkout/messaging/replay.ts'
import type { Store } from '@checkout/store/port.ts'
import { Type } from 'typebox'

const DeadLetter = Type.Object(
  {
    id: Type.String({ description: 'Its own id; not that of the event.' }),
    consumer: Type.String({ description: 'The JetStream consumer that delivered it.' }),
    eventKey: Type.String({ description: "The event's id, or sha256:… of a message without one." }),
    subject: Type.String({ description: 'The NATS subject it came on.' }),
    message: Type.String({ description: 'The message as it came.' }),
    headers: Type.Record(Type.String(), Type.String(), { description: 'Its NATS headers.' }),
    error: Type.String({ description: 'Why it could not be handled.' }),
    attempts: Type.Integer({ description: 'How often it was tried before it was put aside.' }),
    createdAt: Timestamp,
  },
  {
    $id: 'DeadLetter',
    additionalProperties: false,
    description: 'A message that could not be handled and was put aside.',
    examples: [examples.deadLetter],
  },
)
const DeadLetterPage = Type.Object(
  {
    items: Type.Array(ref(DeadLetter)),
    next: Type.Union([Type.String({ examples: ['djEuNDI'] }), Type.Null()], {
      description: 'Pass it as ?cursor= to get the next page; null on the last one.',
    }),
  },
  {
    $id: 'DeadLetterPage',
    additionalProperties: false,
    description: 'One page of dead letters, newest first.',
    examples: [examples.deadLetterPage],
  },
)
/** To be registered with the app's schemas. */
export const deadLetterSchemas = [DeadLetter, DeadLetterPage]

const Params = Type.Object({ id: Type.String({ description: "The dead letter's id, as the list shows it." }) })

const toBody = ({ seq: _, createdAt, headers, ...row }: DeadLetterRow) => ({
  ...row,
  headers: JSON.parse(headers) as Record<string, string>,
  createdAt: rfc3339(createdAt),
})

export interface AdminOptions<Tx extends MessagingTx> {
  store: Store<Tx, MessagingReads>
  handling: Handling<Tx>
}

/** Dead letters: list, look, replay in this process, discard. */
export function registerDeadLetters<Tx extends MessagingTx>(app: App, options: AdminOptions<Tx>): void {
  const { store } = options
  const tags = ['admin']
  const find = async (id: string): Promise<DeadLetterRow> => {
    const row = await store.read.deadLetters.one(id)
    if (!row) throw new Problem('dead_letter_not_found')
    return row
  }

  app.get(
    '/admin/dead-letters',
    {
      schema: {
        tags,
        operationId: 'listDeadLetters',
        summary: 'List dead letters',
        description:
          'Messages that this service could not handle, newest first. Only on the service’s own port, never through the gateway.',
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: responses(
          {
            200: success(ref(DeadLetterPage), { description: 'One page of dead letters; empty when there are none.' }),
          },
          ['validation_failed', 'store_unavailable'],
          limitTooLarge,
        ),
      },
    },
    async ({ query }) => {
      const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(query.cursor)
      const page = toPage(await store.read.deadLetters.list(before, query.limit + 1), query.limit, (row) => row.seq)
      return { items: page.items.map(toBody), next: page.next }
    },
  )

  app.get(
    '/admin/dead-letters/:id',
    {
      schema: {
        tags,
        operationId: 'getDeadLetter',
        summary: 'Read one dead letter',
        description: 'The message as it came, and why it could not be handled.',
        params: Params,
        response: responses({ 200: success(ref(DeadLetter), { description: 'The dead letter.' }) }, [
          'dead_letter_not_found',
          'store_unavailable',
        ]),
      },
    },
    async ({ params }) => toBody(await find(params.id)),
  )

  app.post(
    '/admin/dead-letters/:id/replay',
    {
      schema: {
        tags,
        operationId: 'replayDeadLetter',
        summary: 'Handle it again, now',
        description:
          'When it works, the dead letter is gone; when it fails, it stays as it is. Two replays at once handle it once. Send no body, or `{}`.',
        params: Params,
        body: noBody,
        response: responses(
          { 204: success(Type.Null(), { description: 'Handled; the dead letter is gone.' }) },
          [...bodyErrors, 'dead_letter_not_found', 'replay_failed', 'store_unavailable', 'outcome_unknown'],
          unknownField,
        ),
      },
    },
    async ({ params, log }, reply) => {
      await replay(options.handling, await find(params.id))
      log.info({ deadLetter: params.id }, 'replayed a dead letter')
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/admin/dead-letters/:id/discard',
    {
      schema: {
        tags,
        operationId: 'discardDeadLetter',
        summary: 'Throw it away',
        description: 'There is no way back. Send no body, or `{}`.',
        params: Params,
        body: noBody,
        response: responses(
          { 204: success(Type.Null(), { description: 'The dead letter is gone.' }) },
          [...bodyErrors, 'dead_letter_not_found', 'store_unavailable', 'outcome_unknown'],
          unknownField,
        ),
      },
    },
    async ({ params, log }, reply) => {
      const removed = await store.write((tx) => tx.deadLetters.remove(params.id))
      if (!removed) throw new Problem('dead_letter_not_found')
      log.info({ deadLetter: params.id }, 'discarded a dead letter')
      return reply.code(204).send(null)
    },
  )
}
