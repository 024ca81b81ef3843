/**
 * A client as it should be: it connects again whenever its connection ends, asks for what came after the last letter
 * that it has seen, and says at once when a connection brings something that it must not.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PushedLetter, PushReady } from '@checkout/contracts/http.ts'
import { type RawData, WebSocket } from 'ws'

/** Several clients that were cut off together do not come back in the same millisecond. */
const RECONNECT_MS_MAX = 200
const HANDSHAKE_TIMEOUT_MS = 10_000

export interface Follower {
  readonly userId: string
  /** Seen so far: number 1 first, each once, whatever number of connections it took. */
  readonly letters: readonly PushedLetter[]
  /** Connections that got as far as `ready`. */
  readonly readies: number
  /** How the connections ended: how often by close code or, where there was no upgrade, by `HTTP` status or `none`. */
  readonly ends: Readonly<Record<string, number>>
  /** Whether the present connection is ready. */
  readonly ready: boolean
  /**
   * Ends the connection, by a close frame or by cutting it off. The next one asks from `back` letters earlier on than it
   * would have to: those must come again as they were.
   */
  drop(how: 'close' | 'cut', back?: number): void
  stop(): Promise<void>
}

export interface FollowOptions {
  /** The gateway's or an instance's. */
  url: string
  userId: string
  /** Called with a sentence for each broken promise. */
  onWrong(sentence: string): void
  random?: () => number
}

/** Starts to follow, from the user's first letter on. */
export function follow({ url, userId, onWrong, random = Math.random }: FollowOptions): Follower {
  const letters: PushedLetter[] = []
  const ends: Record<string, number> = {}
  let back = 0
  let readies = 0
  let ready = false
  let stopped = false
  let socket: WebSocket | undefined
  const wrong = (text: string) => onWrong(`${userId}, connection ${readies}: ${text}`)

  function take(frame: PushedLetter | PushReady, last: number): number {
    if (frame.type === 'ready') {
      if (ready) wrong('ready came twice')
      if (frame.seq !== last) wrong(`ready says ${frame.seq} after letter ${last}`)
      ready = true
      readies += 1
      return last
    }
    const known = letters[frame.seq - 1]
    if (frame.userId !== userId) wrong(`a letter of ${frame.userId}`)
    if (frame.seq !== last + 1) wrong(`letter ${frame.seq} after ${last}`)
    if (known && known.id !== frame.id) wrong(`letter ${frame.seq} is ${frame.id}, it was ${known.id}`)
    letters[frame.seq - 1] = frame
    return frame.seq
  }

  function connect(): Promise<void> {
    const since = Math.max(0, letters.length - back)
    let last = since
    back = 0
    let end: string | undefined
    const path = `/notifications/stream?userId=${userId}&since=${since}`
    const own = new WebSocket(`${url.replace(/^http/, 'ws')}${path}`, {
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      perMessageDeflate: false,
    })
    socket = own
    own.on('message', (data: RawData) => {
      last = take(JSON.parse(String(data)), last)
    })
    own.on('open', () => {
      end = ''
    })
    own.on('unexpected-response', (_request, answer) => {
      end = `HTTP ${answer.statusCode}`
      own.terminate() // destroying only the request would end without 'close'
    })
    own.on('error', () => {}) // 'close' comes as well
    return new Promise((resolve) => {
      own.on('close', (code) => {
        const how = end === '' ? `${code}` : (end ?? 'none')
        ends[how] = (ends[how] ?? 0) + 1
        ready = false
        resolve()
      })
    })
  }

  async function run() {
    while (!stopped) {
      await connect()
      if (!stopped) await delay(random() * RECONNECT_MS_MAX)
    }
  }

  const running = run()
  return {
    userId,
    letters,
    ends,
    get readies() {
      return readies
    },
    get ready() {
      return ready
    },
    drop(how, before = 0) {
      back = before
      if (how === 'close') socket?.close()
      else socket?.terminate()
    },
    async stop() {
      stopped = true
      socket?.close()
      await running
    },
  }
}
