/**
 * Push: every letter to every connection of its user, once and in order, on whichever instance the connection is.
 *
 * SQLite is the source; NATS only wakes. A connection remembers the number of the letter that it was sent last, and is
 * sent everything after it: on connect, on a wake-up, when the connection to NATS comes back, and every five seconds
 * for all connections together. So nothing depends on a wake-up's arrival, and nothing is sent twice. The states of a
 * connection are in `connection.ts`.
 */
import type { PushedLetter, PushReady } from '@checkout/contracts/http.ts'
import { pushSubject } from '@checkout/contracts/topology.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Signals } from '@checkout/messaging/broker.ts'
import type { Logger } from 'pino'
import {
  type Activity,
  caughtUp,
  lacks,
  looked,
  type Progress,
  positioned,
  sent,
  subscribed,
  woken,
} from './connection.ts'
import { toLetter } from './letter.ts'
import type { NotificationsStore } from './store/port.ts'

/**
 * Letters read and sent at once; the next ones are read when these have left. A letter can have 10,000 characters, and all
 * of a page are held for a client that stops reading.
 */
const PAGE = 8
/** How long a letter can stay unnoticed when its wake-up got lost. */
const CHECK_EVERY_MS = 5_000
/** The event loop gets its turn after so many. */
const CHECK_USERS_AT_ONCE = 250

/** The far end of a connection. */
export interface Receiver {
  /** Resolves when the texts have left this process: true, or false when the connection has ended. */
  send(texts: readonly string[]): Promise<boolean>
}

export interface Push {
  /**
   * Sends the letters after `since` (without it: none that exist already), then `ready`, then every new one.
   * Returns a function for when the connection has ended.
   */
  connect(receiver: Receiver, userId: string, since: number | undefined): () => void
  /** A letter to the user is committed: tells the connections here and the other instances. */
  wake(userId: string): void
  start(): void
  stop(): void
}

interface Connection {
  readonly userId: string
  readonly receiver: Receiver
  activity: Activity
  progress: Progress
}

interface Listener {
  readonly connections: Set<Connection>
  readonly off: () => void
}

export function createPush(options: {
  store: NotificationsStore
  signals: Signals
  platform: Platform
  logger: Logger
  onSent?: (letters: number) => void
}): Push {
  const { store, signals, platform, logger, onSent } = options
  const { letters } = store.read
  const users = new Map<string, Listener>()
  const stopping = new AbortController()
  let unlisten = () => {}

  function connect(receiver: Receiver, userId: string, since: number | undefined): () => void {
    const connection: Connection = { userId, receiver, activity: 'subscribing', progress: { name: 'unread', since } }
    const user = users.get(userId) ?? listenFor(userId)
    user.connections.add(connection)
    void begin(connection)
    return () => {
      connection.activity = 'ended'
      if (!user.connections.delete(connection) || user.connections.size > 0) return
      user.off()
      users.delete(userId)
    }
  }

  function listenFor(userId: string): Listener {
    const connections = new Set<Connection>()
    const off = signals.onSignal(pushSubject(userId), () => pumpAll(connections))
    const listener = { connections, off }
    users.set(userId, listener)
    return listener
  }

  /** First the wake-ups, then the read: a letter that is committed after the read announces itself. */
  async function begin(connection: Connection): Promise<void> {
    await signals.listening()
    connection.activity = subscribed(connection.activity)
    await pump(connection)
  }

  function pumpAll(connections: Iterable<Connection>): void {
    for (const connection of connections) void pump(connection)
  }

  /** Sends what is not sent. One at a time per connection: the running one looks once more. */
  async function pump(connection: Connection): Promise<void> {
    const before = connection.activity
    connection.activity = woken(before)
    if (before !== 'idle') return
    while (connection.activity === 'looking') {
      const more = await sendPage(connection)
      // What the kernel takes at once is sent at once: without this, a long backlog would hold up everybody else.
      if (more) await new Promise<void>(platform.setImmediate)
      connection.activity = looked(connection.activity, more)
    }
  }

  /** Returns whether there may be more. */
  async function sendPage(connection: Connection): Promise<boolean> {
    const { userId, receiver } = connection
    const page = await reading(async () => {
      if (connection.progress.name === 'unread') {
        const highest = await letters.lastSeq(userId)
        connection.progress = positioned(connection.progress, highest)
      }
      return letters.after(userId, connection.progress.sentSeq, PAGE)
    })
    if (page === undefined || connection.activity === 'ended') return false
    const last = page.at(-1)
    if (last) {
      if (!(await receiver.send(page.map(frame)))) return false
      connection.progress = sent(connection.progress, last.seq)
      onSent?.(page.length)
    }
    if (page.length === PAGE) return true
    if (connection.progress.name === 'catchingUp') {
      connection.progress = caughtUp(connection.progress)
      const ready: PushReady = { type: 'ready', seq: connection.progress.sentSeq }
      await receiver.send([JSON.stringify(ready)])
    }
    return false
  }

  /** What cannot be read now is read on the next check. */
  async function reading<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      logger.warn({ err: error }, 'the letters cannot be read; connections wait for the next check')
      return undefined
    }
  }

  /** Looks for letters that nobody announced. */
  async function check(): Promise<void> {
    let looked = 0
    for (const [userId, { connections }] of users) {
      const highest = await reading(() => letters.lastSeq(userId))
      if (highest === undefined) return
      for (const connection of connections) {
        if (lacks(connection.progress, highest)) void pump(connection)
      }
      looked += 1
      if (looked % CHECK_USERS_AT_ONCE === 0) await new Promise<void>(platform.setImmediate)
    }
  }

  async function checkForEver(): Promise<void> {
    while (!stopping.signal.aborted) {
      await platform.sleep(CHECK_EVERY_MS, stopping.signal)
      await check()
    }
  }

  return {
    connect,
    wake(userId) {
      // Here without the way over NATS: sooner, and also without NATS.
      pumpAll(users.get(userId)?.connections ?? [])
      signals.signal(pushSubject(userId))
    },
    start() {
      unlisten = signals.onConnection((connected) => {
        if (connected) void signals.listening().then(check)
      })
      void checkForEver()
    },
    stop() {
      stopping.abort()
      unlisten()
    },
  }
}

function frame(row: Parameters<typeof toLetter>[0]): string {
  const pushed: PushedLetter = { type: 'notification', ...toLetter(row) }
  return JSON.stringify(pushed)
}
