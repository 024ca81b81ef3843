/** The outbox's part of an order's journey. */
import type { JourneyStep } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import type { OutboxReads } from './port.ts'

/** Two steps per retained event about the order: written to the outbox, and published to the stream. */
export async function outboxSteps(outbox: OutboxReads, orderId: string): Promise<JourneyStep[]> {
  return (await outbox.about(orderId)).flatMap(({ row, publishedAt, streamSeq }) => {
    const { eventId, createdAt, event } = row
    const written: JourneyStep = { step: 'outbox', at: rfc3339(createdAt), eventId, payload: JSON.parse(event) }
    if (publishedAt === undefined || streamSeq === undefined) return [written]
    return [written, { step: 'published', at: rfc3339(publishedAt), eventId, streamSeq }]
  })
}

/** The order of a journey: by time; steps of the same millisecond stay as they were given. */
export const byTime = (a: JourneyStep, b: JourneyStep): number => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)
