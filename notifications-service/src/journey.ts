/** What notifications-service knows of an order's way, each step from a stored row. */
import type { Journey, JourneyStep } from '@checkout/contracts/http.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { byTime } from '@checkout/messaging/journey.ts'
import { toLetter } from './letter.ts'
import type { LetterRow } from './store/port.ts'

export function journeyOf(letter: LetterRow): Journey {
  const steps: JourneyStep[] = [{ step: 'letter', at: rfc3339(letter.createdAt), payload: toLetter(letter) }]
  const { causeEventId, causeSeq, causeDeliveries, causeReceivedAt, sentAt } = letter
  if (causeEventId !== null && causeReceivedAt !== null) {
    steps.unshift({
      step: 'inbox',
      at: rfc3339(causeReceivedAt),
      eventId: causeEventId,
      ...(causeSeq && { streamSeq: causeSeq }),
      ...(causeDeliveries !== null && { deliveries: causeDeliveries }),
    })
  }
  if (sentAt !== null) steps.push({ step: 'mailed', at: rfc3339(sentAt) })
  return { service: 'notifications-service', steps: steps.sort(byTime) }
}
