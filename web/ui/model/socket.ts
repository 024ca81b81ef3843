/** One WebSocket connection, from the attempt to its end; which letters are new, and when to try again, is live.ts'. */
import type { Letter } from '@checkout/contracts/http.ts'
import type { Platform } from './platform.ts'
import { fieldsOf } from './storage.ts'
import type { Visit } from './visit.ts'

/** From the attempt, and from each frame of the backlog, to the next frame; then the connection counts as dead. */
const SILENCE_MAX_MS = 10_000
/** What a browser reports where no close frame came (RFC 6455 §7.1.5). */
const CLOSED_ABNORMALLY = 1006

export interface SocketEvents {
  letter(letter: Letter): void
  /** The backlog is through; `seq` is the user's highest on the server. */
  ready(seq: number): void
  /** The end, exactly once, unless close() was called. `code` is the close code. */
  closed(code: number): void
}

/** Opens a connection; returns the way to close it, after which no event comes any more. */
export function openSocket(platform: Platform, visit: Visit, since: number | undefined, on: SocketEvents): () => void {
  const query = new URLSearchParams({ userId: visit.userId, ...(since !== undefined && { since: String(since) }) })
  let socket: WebSocket | undefined
  let ready = false
  let over = false
  let cancelDeadline = visit.after(SILENCE_MAX_MS, () => end(CLOSED_ABNORMALLY))

  function close() {
    over = true
    cancelDeadline()
    socket?.close()
  }

  function end(code: number) {
    if (over) return
    close()
    on.closed(code)
  }

  function receive(data: unknown) {
    const { type, ...frame } = parse(data)
    if (type === 'ready') ready = true
    cancelDeadline()
    if (!ready) cancelDeadline = visit.after(SILENCE_MAX_MS, () => end(CLOSED_ABNORMALLY))
    if (type === 'ready' && typeof frame.seq === 'number') on.ready(frame.seq)
    if (type === 'notification' && isLetter(frame)) on.letter(frame)
  }

  try {
    // http → ws, https → wss
    socket = new platform.WebSocket(`${platform.origin.replace(/^http/, 'ws')}/notifications/stream?${query}`)
  } catch {
    // Not from within this call: the caller does not hold the connection yet.
    visit.after(0, () => end(CLOSED_ABNORMALLY))
    return close
  }
  socket.addEventListener('message', ({ data }) => receive(data))
  socket.addEventListener('close', ({ code }) => end(code))
  return close
}

function parse(data: unknown): Record<string, unknown> {
  try {
    return fieldsOf(JSON.parse(String(data)))
  } catch {
    return {}
  }
}

/** What the bookkeeping goes by must be right; the rest is only shown. */
const isLetter = (frame: object): frame is Letter => {
  const { id, seq, createdAt } = fieldsOf(frame)
  return typeof id === 'string' && typeof seq === 'number' && typeof createdAt === 'string'
}
