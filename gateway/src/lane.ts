/**
 * The connections to one instance for one kind of request, and the bounded queue before them.
 *
 * One undici Client is one connection. undici's Pool would do the same, but a request that it refuses takes one of its clients
 * out of use for ever, and its queue is unbounded and does not tell who still waits in it. Here a connection on which
 * anything went wrong is thrown away, so nothing that the library makes of an error can last.
 */
import type { Platform, Timer } from '@checkout/kernel/platform.ts'
import { Client, type Dispatcher } from 'undici'

export const CONNECT_TIMEOUT_MS = 2000
/** Below the 72 s for which the services keep an idle connection: the side that sends must be the one that closes. */
export const KEEP_ALIVE_MS = 60_000
/** Between two pieces of an answer. */
const BODY_TIMEOUT_MS = 10_000
/** What waits holds its body, 16 KiB at most. */
const WAITING_MAX = 4096

/**
 * Why a flight has failed. `refused`: the client library does not send such a request. `busy`: no connection came free in time.
 * `unwanted`: its client went away while it waited. `silent`: its instance has stopped answering. `broken`: not connected,
 * or the connection broke.
 */
export type Failure = 'refused' | 'busy' | 'unwanted' | 'silent' | 'broken'

/** One request on its way to one instance. Either onComplete or onFailure is called, once, and nothing after it. */
export interface Flight {
  readonly request: Dispatcher.DispatchOptions
  /** Asked when it has waited: whether it is still to be sent. */
  isWanted(): boolean
  onHeaders(status: number, raw: Buffer[], resume: () => void): void
  /** False: no more until resume() is called. */
  onData(chunk: Buffer): boolean
  onComplete(): void
  /** `sent`: the instance may have got the request and acted on it. `code`: the error's, for the log. */
  onFailure(failure: Failure, sent: boolean, code?: string): void
}

export interface Lane {
  /** Sends as soon as there is a connection for it. */
  send(flight: Flight): void
  /** Whether it would be sent at once. */
  free(): boolean
  /** Takes the flight back, silently: out of the queue, or with its connection. Returns whether it had been sent. */
  cut(flight: Flight): boolean
  /** Fails whatever is under way or waiting. */
  giveUp(failure: Failure): void
  /** `running`: sent or about to be; `connected`: connections that are open, in use or not. */
  stats(): { running: number; waiting: number; connected: number }
  /** Waits for what is under way or waiting, then closes the connections. */
  close(): Promise<void>
}

/**
 * @param size connections at most
 * @param waitMs how long a flight may wait for one of them
 * @param onDisconnect a connection has ended, for whatever reason
 */
export function createLane(
  origin: string,
  size: number,
  waitMs: number,
  { setTimeout, clearTimeout }: Platform,
  onDisconnect: () => void,
): Lane {
  const idle: Client[] = []
  const running = new Map<Flight, Run>()
  const waiting = new Map<Flight, Timer>()
  let open = 0
  let connected = 0
  let whenEmpty: (() => void) | undefined

  function send(flight: Flight) {
    // The one that has rested longest: undici takes a connection again a turn of the event loop after its last answer.
    const client = idle.shift() ?? (open < size ? openClient() : undefined)
    if (client !== undefined) return start(client, flight)
    if (waiting.size >= WAITING_MAX) return flight.onFailure('busy', false)
    const giveUpWaiting = () => {
      waiting.delete(flight)
      flight.onFailure('busy', false)
      settle()
    }
    waiting.set(flight, setTimeout(giveUpWaiting, waitMs))
  }

  function openClient() {
    open++
    const client = new Client(origin, {
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0, // proxy.ts has one deadline that covers waiting for a connection as well
      bodyTimeout: BODY_TIMEOUT_MS,
    })
    client.on('connect', () => connected++)
    client.on('disconnect', () => {
      connected--
      onDisconnect()
    })
    return client
  }

  function start(client: Client, flight: Flight) {
    const run = new Run(client, flight, onEnd)
    running.set(flight, run)
    client.dispatch(flight.request, run)
    run.isDispatched = true
  }

  function onEnd(run: Run, isReusable: boolean) {
    running.delete(run.flight)
    if (isReusable) next(run.client)
    else discard(run.client)
  }

  /** The connection is free: for the one who has waited longest. */
  function next(client: Client) {
    for (const [flight, timer] of waiting) {
      clearTimeout(timer)
      waiting.delete(flight)
      if (flight.isWanted()) return start(client, flight)
      flight.onFailure('unwanted', false)
    }
    idle.push(client)
    settle()
  }

  function discard(client: Client) {
    void client.destroy()
    open--
    if (waiting.size > 0) next(openClient())
    else settle()
  }

  function cut(flight: Flight) {
    const run = running.get(flight)
    running.delete(flight)
    clearTimeout(waiting.get(flight))
    waiting.delete(flight)
    if (run === undefined) {
      settle()
      return false
    }
    run.isOver = true
    discard(run.client)
    return run.isSent
  }

  function settle() {
    if (running.size === 0 && waiting.size === 0) whenEmpty?.()
  }

  return {
    send,
    free: () => idle.length > 0 || open < size,
    cut,
    giveUp(failure) {
      for (const flight of [...waiting.keys(), ...running.keys()]) flight.onFailure(failure, cut(flight))
    },
    stats: () => ({ running: running.size, waiting: waiting.size, connected }),
    async close() {
      await new Promise<void>((resolve) => {
        whenEmpty = resolve
        settle()
      })
      await Promise.all(idle.map((client) => client.destroy()))
    },
  }
}

/** One flight on one connection, as undici's handler. A class: five closures for each request would cost more than the rest. */
class Run implements Dispatcher.DispatchHandler {
  readonly client: Client
  readonly flight: Flight
  readonly #onEnd: (run: Run, isReusable: boolean) => void
  /** Until dispatch() has returned, an error is about the request itself. */
  isDispatched = false
  isSent = false
  /** Whatever the library still calls is not passed on. */
  isOver = false

  constructor(client: Client, flight: Flight, onEnd: (run: Run, isReusable: boolean) => void) {
    this.client = client
    this.flight = flight
    this.#onEnd = onEnd
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    if (this.isOver) controller.abort(new Error('the request was given up before it was sent'))
    else this.isSent = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number) {
    if (!this.isOver) this.flight.onHeaders(status, controller.rawHeaders as Buffer[], () => controller.resume())
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (!this.isOver && !this.flight.onData(chunk)) controller.pause()
  }

  onResponseEnd() {
    if (this.isOver) return
    this.isOver = true
    this.flight.onComplete()
    this.#onEnd(this, true)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: NodeJS.ErrnoException) {
    if (this.isOver) return
    this.isOver = true
    this.flight.onFailure(this.isDispatched || this.isSent ? 'broken' : 'refused', this.isSent, error.code)
    this.#onEnd(this, false)
  }
}
