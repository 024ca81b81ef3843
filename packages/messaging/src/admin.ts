/** What operators see of a service: `/admin/dead-letters` (own port only) and `/status/{part}` (also by the gateway). */
import * as examples from '@checkout/contracts/examples.ts'
import { ref, ServiceStatus } from '@checkout/contracts/http.ts'
import type { Part } from '@checkout/contracts/services.ts'
import { Timestamp } from '@checkout/contracts/values.ts'
import type { App } from '@checkout/service/app.ts'
import { bodyErrors, limitTooLarge, responses, success, unknownField } from '@checkout/service/docs.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/service/pages.ts'
import type { Store } from '@checkout/service/port.ts'
import { Problem } from '@checkout/service/problem.ts'
import { rfc3339 } from '@checkout/service/rfc3339.ts'
import { isStorageError } from '@checkout/service/storage-error.ts'
import { noBody } from '@checkout/service/validation.ts'
import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { type Handling, storedMessage } from './handling.ts'
import type { DeadLetterRow, MessagingReads, MessagingTx } from './port.ts'

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
export const adminSchemas = [DeadLetter, DeadLetterPage, ServiceStatus]

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
          [...bodyErrors, 'dead_letter_not_found', 'replay_failed', 'store_unavailable'],
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
          [...bodyErrors, 'dead_letter_not_found', 'store_unavailable'],
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

async function replay<Tx extends MessagingTx>(handling: Handling<Tx>, row: DeadLetterRow): Promise<void> {
  try {
    await handling.handle(storedMessage(row), { streamSeq: 0, deliveries: row.attempts + 1 }, async (tx) => {
      // Two replays at once: the second finds it gone, and the handler's own keys make its effect single anyway.
      if (!(await tx.deadLetters.remove(row.id))) throw new Problem('dead_letter_not_found')
      return true
    })
  } catch (error) {
    if (error instanceof Problem || isStorageError(error)) throw error
    throw new Problem('replay_failed', { detail: `It failed again: ${(error as Error).message}` })
  }
}

/** `/status/{part}`: how the service is, in stored figures. */
export function registerStatus(
  app: App,
  options: {
    part: Part
    version: string
    instance: number
    store: Store<MessagingTx, MessagingReads>
    broker: Pick<Broker, 'connected' | 'problem'>
  },
): void {
  const { part, version, instance, store, broker } = options
  app.get(
    `/status/${part}`,
    {
      config: { limitAddress: true },
      schema: {
        tags: ['system'],
        operationId: `get${part.charAt(0).toUpperCase()}${part.slice(1)}Status`,
        summary: `How ${part}-service is`,
        description: 'Answers 200 also when the store has failed: `store` says so.',
        response: responses(
          {
            200: success(ref(ServiceStatus), {
              description: 'How the answering instance is.',
              example: { ...examples.serviceStatus, service: `${part}-service` },
            }),
          },
          ['rate_limited'],
        ),
      },
    },
    async () => {
      const stored = await storedFigures(store.read)
      return {
        service: `${part}-service`,
        version,
        instance,
        store: stored ? ('ok' as const) : ('failed' as const),
        nats: broker.connected && !broker.problem ? ('ok' as const) : ('degraded' as const),
        natsProblem: broker.problem ?? (broker.connected ? null : 'not connected to the broker'),
        outboxBacklog: stored?.backlog.rows ?? 0,
        oldestUnpublishedMs: stored?.backlog.oldestMs ?? 0,
        deadLetters: stored?.deadLetters ?? 0,
      }
    },
  )
}

/** Undefined when the store cannot be read just now. Not asked for before: it may fail between the question and the reads. */
async function storedFigures(read: MessagingReads) {
  try {
    return { backlog: await read.outbox.backlog(), deadLetters: await read.deadLetters.count() }
  } catch {
    return undefined
  }
}
