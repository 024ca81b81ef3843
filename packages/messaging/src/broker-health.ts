/**
 * Whether a connected NATS can be used: it has JetStream, JetStream answers, has room for the streams, and takes events of
 * any size. What is wrong is stated as a problem, and taken back when it is mended.
 *
 * JetStream is asked every few seconds, and what becomes of all other calls of its API is watched as well: a server that
 * hangs may still answer some of them, and pings always.
 */
import { largestEventBytes } from '@checkout/contracts/event-size.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import {
  type Msg,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
} from '@nats-io/transport-node'
import type { BrokerProblems } from './broker-problems.ts'

const ASK_EVERY_MS = 2_000
const ANSWER_WITHIN_MS = 2_000
/** An API that did not answer for this long is a problem. */
const SILENT_MS = 4_000
/** What was not tried again for this long says nothing any more. */
const STALE_MS = 30_000

const API = '$JS.API.'
/** Error codes of JetStream's API (server/errors.json): the server, or the account, has too little storage. */
const NO_STORAGE = new Set([10023, 10028, 10047])

/** The kinds of problems that are stated here. */
export const healthProblems = ['jetstream', 'jetstream-silent', 'stream-storage', 'max-payload'] as const

/** The client wraps why a request failed in another error. */
const isOrWraps = (error: unknown, kind: typeof NoRespondersError | typeof PermissionViolationError): boolean =>
  error instanceof kind || (error instanceof Error && error.cause instanceof kind)

interface Failure {
  /** When the first of the calls without an answer was made. */
  readonly since: number
  readonly last: number
}

interface ApiAnswer {
  error?: { err_code?: number; description?: string }
}

export interface BrokerHealth {
  /** The same connection; what becomes of JetStream calls made through it is watched. */
  readonly watched: NatsConnection
  /** To be called when the connection was lost (false) or made (true). */
  connection(connected: boolean): void
  stop(): void
}

export function watchBroker(
  nc: NatsConnection,
  { problems, streamMaxBytes, platform }: { problems: BrokerProblems; streamMaxBytes: number; platform: Platform },
): BrokerHealth {
  const stopping = new AbortController()
  /** By subject of the API. */
  const silent = new Map<string, Failure>()
  /** Streams that JetStream has no room for, and when it said so. */
  const refused = new Map<string, { why: string; last: number }>()
  let connected = true
  /** A user without the right to ask is not asked about again until the next connection. */
  let mayAsk = true

  function state(): void {
    const now = platform.monotonic()
    for (const map of [silent, refused]) {
      for (const [key, { last }] of map) if (now - last > STALE_MS) map.delete(key)
    }
    const unanswered = [...silent].find(([, { since, last }]) => last - since >= SILENT_MS)?.[0]
    problems.set(
      'jetstream-silent',
      unanswered &&
        `JetStream does not answer (${unanswered}), though NATS does: if it does not recover by itself, restart nats-server; after a full disk that is needed`,
    )
    const [stream, refusal] = [...refused][0] ?? []
    problems.set(
      'stream-storage',
      refusal &&
        `JetStream has no room for the stream ${stream} of ${streamMaxBytes} bytes (${refusal.why}): raise max_file_store in the configuration of nats-server (or the account's limit) above that of all streams, or set STREAM_MAX_BYTES lower`,
    )
  }

  /** Notes what becomes of one call of the API. */
  async function watch(subject: string, answer: Promise<Msg>): Promise<void> {
    const started = platform.monotonic()
    try {
      const message = await answer
      silent.delete(subject)
      const [, verb, stream] = /^\$JS\.API\.STREAM\.(CREATE|UPDATE)\.(.+)$/.exec(subject) ?? []
      if (verb && stream) {
        const { error } = message.json<ApiAnswer>()
        if (!error) refused.delete(stream)
        else if (NO_STORAGE.has(error.err_code ?? 0)) {
          refused.set(stream, { why: error.description ?? '', last: platform.monotonic() })
        }
      }
    } catch (error) {
      if (!(error instanceof TimeoutError)) silent.delete(subject)
      else if (connected) {
        silent.set(subject, { since: silent.get(subject)?.since ?? started, last: platform.monotonic() })
      }
    }
    if (connected) state()
  }

  async function ask(): Promise<void> {
    const subject = `${API}INFO`
    const answer = nc.request(subject, undefined, { timeout: ANSWER_WITHIN_MS })
    void watch(subject, answer)
    let why: string | undefined
    try {
      why = (await answer).json<ApiAnswer>().error?.description
    } catch (error) {
      if (isOrWraps(error, PermissionViolationError)) mayAsk = false
      // Of silence `state` tells; a lost connection says nothing about JetStream.
      else if (isOrWraps(error, NoRespondersError)) why = 'nobody answers for its API'
    }
    if (!connected) return
    const remedy = 'start nats-server with --jetstream, and enable it for the account of this user'
    problems.set('jetstream', why && `NATS has no JetStream for this service (${why}): ${remedy}`)
  }

  function checkPayload(): void {
    const [most, largest] = [nc.info?.max_payload ?? Number.POSITIVE_INFINITY, largestEventBytes()]
    problems.set(
      'max-payload',
      most < largest
        ? `NATS takes messages of up to ${most} bytes, and events may have ${largest}: raise max_payload in the configuration of nats-server (its default is 1 MiB)`
        : undefined,
    )
  }

  function connection(value: boolean): void {
    connected = value
    silent.clear()
    refused.clear()
    mayAsk = true
    if (connected) checkPayload()
    else for (const kind of healthProblems) problems.set(kind, undefined)
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (connected && mayAsk) await ask()
      if (connected) state()
      await platform.sleep(ASK_EVERY_MS, stopping.signal)
    }
  }

  checkPayload()
  void run()
  return {
    watched: new Proxy(nc, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'request') return value.bind(target)
        return (...given: Parameters<NatsConnection['request']>) => {
          const answer = target.request(...given)
          if (given[0].startsWith(API)) void watch(given[0], answer)
          return answer
        }
      },
    }),
    connection,
    stop: () => stopping.abort(),
  }
}
