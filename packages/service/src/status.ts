import * as examples from '@checkout/contracts/examples.ts'
import { ref, ServiceStatus } from '@checkout/contracts/http.ts'
import type { Part } from '@checkout/contracts/services.ts'
import type { App } from '@checkout/http/app.ts'
import { responses, success } from '@checkout/http/docs.ts'
import { isStorageError } from '@checkout/kernel/storage-error.ts'
import type { Broker } from '@checkout/messaging/broker.ts'
import type { MessagingReads, MessagingTx } from '@checkout/messaging/port.ts'
import type { Store } from '@checkout/store/port.ts'

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
  } catch (error) {
    if (!isStorageError(error)) throw error
    return undefined
  }
}
