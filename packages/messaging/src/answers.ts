/**
 * Up to where questions were answered: for who wants to ask again what was lost, and nothing that only waits.
 *
 * A question and its answer are events of two services, on two streams. Under traffic something is always under way, so
 * waiting for a moment without would be waiting for ever. Instead a mark is followed: up to where the questions are read
 * now; a look later, when what was answered to them has been published, where the answers end; and once those are
 * handled here, no question up to the mark has an answer that still waits. Then the next mark is set. Positions only: no
 * clock says anything here.
 */
import type { EventType } from '@checkout/contracts/events.ts'
import { streamOf, subscriptions } from '@checkout/contracts/topology.ts'
import type { Broker, DurableState } from './broker.ts'
import { floorOf } from './durables.ts'
import type { OutboxReads } from './port.ts'

export interface Answers {
  /**
   * Looks once; meant to be called about once a second. Returns the position in the stream of the questions up to which
   * each was read by all who read it, and what they had answered by the look after that is handled here; undefined as
   * long as nothing is known. @throws when the broker does not answer
   */
  upTo(): Promise<number | undefined>
}

export interface AnswersOptions {
  /** The type of the questions, published by this service. */
  question: EventType
  /** The types of the answers: all that their stream carries, and read by this service. */
  answers: readonly EventType[]
  broker: Pick<Broker, 'connected' | 'stream' | 'durable'>
  outbox: Pick<OutboxReads, 'incarnation' | 'arrears'>
}

/** @throws when the answers are not all that is on their stream: its end could not be told */
export function createAnswers({ question, answers, broker, outbox }: AnswersOptions): Answers {
  const questionStream = streamOf(question).name
  const answerStreams = new Set(answers.map((type) => streamOf(type).name))
  const beside = subscriptions.filter(({ stream, subject }) => answerStreams.has(stream) && !answers.includes(subject))
  if (answerStreams.size !== 1 || beside.length > 0) throw new Error(`${answers} are not all of one stream`)

  let last: { incarnation: string; delivered: number } | undefined
  let mark: { read: number; end?: number } | undefined
  let answered: number | undefined

  const questionDurables = subscriptions.filter(({ subject }) => subject === question).map(({ durable }) => durable)
  const states = (types: readonly EventType[]) =>
    Promise.all(subscriptions.filter(({ subject }) => types.includes(subject)).map(broker.durable))

  async function look() {
    if (!broker.connected) return undefined
    // Before the durables: what they have acknowledged by then is a lower bound.
    const asked = await broker.stream(questionStream)
    if (!asked || asked === 'foreign' || asked.incarnation !== (await outbox.incarnation())) return undefined
    const read = floorOf(await states([question]), asked.lastSeq)
    // A durable's floor says nothing of what was purged before it had read that. Asked afterwards: it is noted before the purge.
    for (const durable of questionDurables) if (await outbox.arrears.first(durable)) return undefined
    const found = await states(answers)
    const here = found.filter((state) => state !== undefined)
    if (here.length < found.length) return undefined
    const delivered = Math.max(...here.map((state) => state.delivered))
    // Where nothing waits now, everything was handled that was published before.
    const handled = floorOf(here, Number.POSITIVE_INFINITY)
    return { incarnation: asked.incarnation, read, delivered, end: endOf(here), handled }
  }

  return {
    async upTo() {
      const now = await look()
      // Positions in another life of a stream mean nothing. Of the answers' one it shows in what was delivered of it.
      const same = now && last && now.incarnation === last.incarnation && now.delivered >= last.delivered
      last = now
      if (!same) {
        mark = now && { read: now.read }
        answered = undefined
        return undefined
      }
      if (mark) mark.end ??= now.end
      if (mark?.end !== undefined && now.handled >= mark.end) {
        answered = mark.read
        mark = undefined
      }
      mark ??= { read: now.read }
      return answered
    },
  }
}

/** Where a stream ends at most, as the durables know that read all of it: a reader may not ask the stream itself. */
const endOf = (states: readonly DurableState[]): number =>
  Math.max(...states.map(({ delivered }) => delivered)) + states.reduce((sum, { pending }) => sum + pending, 0)
