/**
 * Where log lines leave the process. A log that cannot be written (the disk is full, nobody reads the pipe, the terminal is
 * stopped) costs lines, never the service: nothing here waits, throws, or holds up the exit.
 *
 * Not sonic-boom, pino's own: its flush at exit tries for ever while writing fails, and a write into a pipe that nobody reads
 * holds a thread that the exit waits for.
 */
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'

/** Characters that wait for the output; lines beyond are dropped. Two seconds of full load. */
const WAITING_MAX = 4 * 1024 * 1024
const FLUSH_EVERY_MS = 1_000
/** After a write that failed the next one is tried this much later, each time twice as late, at most FLUSH_EVERY_MS. */
const RETRY_MS_MIN = 1
/** The exit waits for a slow reader as long as it reads something this often, */
const EXIT_PAUSE_MS_MAX = 400
/** and so long in all. */
const EXIT_WAIT_MS_MAX = 2_000

export interface LogOutput {
  /** Takes one line with its line break; drops it when too much waits. */
  write(line: string): void
  /** Begins to write what waits. */
  flush(): void
  /** Writes what waits, as far as the output takes it at once. */
  flushSync(): void
  /** Lines dropped so far. */
  readonly dropped: number
}

export interface LogOutputOptions {
  /** Written once this many characters wait, and within a second in any case; 0 = at once. */
  minLength: number
  /** Called when writing works again after lines were dropped, with their number since the last call. */
  onRecovered?: (lines: number) => void
}

/** An output on an open file descriptor. What waits when the process exits is written then, if that can be done at once. */
export function createLogOutput(descriptor: number, options: LogOutputOptions): LogOutput {
  const { fd, mayBlock } = prepare(descriptor)
  let waiting = ''
  /** What is being written, or could not be. */
  let block: Buffer | undefined
  let underWay = false
  let retryMs = 0 // 0 = the last write worked
  let dropped = 0
  let reported = 0

  function next(): Buffer | undefined {
    if (block === undefined && waiting !== '') {
      block = Buffer.from(waiting)
      waiting = ''
    }
    return block
  }

  function written(bytes: number): void {
    retryMs = 0
    block = block && bytes < block.length ? block.subarray(bytes) : undefined
    if (dropped === reported || block !== undefined || waiting.length > WAITING_MAX / 2) return
    const lines = dropped - reported
    reported = dropped
    options.onRecovered?.(lines)
  }

  function failed(): void {
    retryMs = Math.min(Math.max(RETRY_MS_MIN, 2 * retryMs), FLUSH_EVERY_MS)
    setTimeout(start, retryMs).unref()
  }

  function start(): void {
    if (underWay) return
    if (!mayBlock) {
      flushSync()
      return
    }
    const buffer = next()
    if (buffer === undefined) return
    underWay = true
    write(fd, buffer, (error, bytes) => {
      underWay = false
      if (error) {
        failed()
        return
      }
      written(bytes)
      if (block !== undefined || waiting.length > options.minLength) start()
    })
  }

  function flushSync(): void {
    if (underWay) return
    try {
      for (let buffer = next(); buffer !== undefined; buffer = next()) written(writeSync(fd, buffer))
    } catch {
      failed()
    }
  }

  setInterval(() => retryMs === 0 && start(), FLUSH_EVERY_MS).unref()
  process.once('exit', () => {
    if (underWay) {
      underWay = false
      block = undefined // the thread that writes it ends before the process does
    }
    const never = new Int32Array(new SharedArrayBuffer(4))
    const exitAt = performance.now()
    let readAt = exitAt
    flushSync()
    while (!mayBlock && retryMs > 0) {
      Atomics.wait(never, 0, 0, RETRY_MS_MIN)
      const before = block?.length
      flushSync()
      const now = performance.now()
      if (block?.length !== before) readAt = now
      if (now - readAt > EXIT_PAUSE_MS_MAX || now - exitAt > EXIT_WAIT_MS_MAX) break
    }
  })

  return {
    write(line) {
      if (waiting.length + line.length > WAITING_MAX) {
        dropped += 1
        return
      }
      waiting += line
      if (waiting.length > options.minLength && retryMs === 0) start()
    },
    flush: () => {
      if (retryMs === 0) start()
    },
    flushSync,
    get dropped() {
      return dropped
    },
  }
}

/**
 * A disk can make a write wait, so files are written by a thread. A pipe, a socket or a terminal can make it wait for ever: they
 * take what they can at once instead.
 */
function prepare(descriptor: number): { fd: number; mayBlock: boolean } {
  try {
    const stat = fstatSync(descriptor)
    if (stat.isFIFO() || stat.isSocket()) {
      new Socket({ fd: descriptor, readable: false }) // what makes the descriptor non-blocking
      return { fd: descriptor, mayBlock: false }
    }
    if (isatty(descriptor)) {
      // Opened anew, because others have the terminal too and expect their writes to wait. Linux only.
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
      return { fd: openSync(`/proc/self/fd/${descriptor}`, flags), mayBlock: false }
    }
  } catch {
    // A kind of descriptor that Node does not know, or a system without /proc.
  }
  return { fd: descriptor, mayBlock: true }
}
