/**
 * The platform: time, timers, turns of the event loop, randomness and ids as one parameter, so that a simulation can drive
 * everything above it. Each composition root makes one. Nobody else asks the process for them: `make lint` says what to use
 * instead, and names the few files that may (biome.jsonc).
 */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

export interface Platform {
  /** Wall clock, milliseconds since 1970 (UTC). For what people read, never for measuring. */
  now(): number
  /** Milliseconds on a clock that never jumps. For measuring, never for what people read. */
  monotonic(): number
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  setTimeout(run: () => void, ms: number): Timer
  /** Again and again, until clearTimeout. */
  setInterval(run: () => void, ms: number): Timer
  clearTimeout(timer: Timer | undefined): void
  /** On the event loop's next turn. `await new Promise<void>(setImmediate)` lets everybody else have a turn. */
  setImmediate(run: () => void): void
  /** When the microtasks have run dry, before timers and I/O. */
  nextTick(run: () => void): void
  /** 0 ≤ x < 1. Not for secrets. */
  random(): number
  /** Unpredictable. To be read at once and not to be written to: the memory is used again. */
  randomBytes(size: number): Buffer
  /** A UUIDv7 (RFC 9562): ordered by time, so that rows append to their indexes. */
  newId(): string
}

export interface Timer {
  /** Lets the process end before it is due. */
  unref(): Timer
}

/** The machine's. */
export function createPlatform(): Platform {
  const randomBytes = createRandomBytes()
  return {
    now: Date.now,
    monotonic: () => performance.now(),
    sleep,
    setTimeout,
    setInterval,
    clearTimeout: clearTimeout as Platform['clearTimeout'],
    setImmediate,
    nextTick: process.nextTick,
    random: Math.random,
    randomBytes,
    newId: createIds(Date.now, randomBytes),
  }
}

// Not node:timers/promises, which makes an error with a stack of every sleep that is cut short, and most are.
const sleep: Platform['sleep'] = (ms, signal) =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const wake = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    signal?.addEventListener('abort', wake)
  })

const BLOCK_BYTES = 4_096

/** From a block: a system call per id or event would cost more. */
function createRandomBytes(): Platform['randomBytes'] {
  const block = Buffer.alloc(BLOCK_BYTES)
  let used = block.length
  return (size) => {
    if (used + size > block.length) {
      randomFillSync(block)
      used = 0
    }
    used += size
    return block.subarray(used - size, used)
  }
}

function createIds(now: Platform['now'], randomBytes: Platform['randomBytes']): Platform['newId'] {
  let last = { msecs: 0, seq: 0 }
  return () => {
    const random = randomBytes(16)
    const msecs = now()
    // Many in one millisecond count on from a random number, so that they stay in order.
    if (msecs > last.msecs) last = { msecs, seq: random.readUInt32BE(6) >>> 1 }
    else last = { msecs: last.msecs, seq: last.seq + 1 }
    return v7({ random, ...last })
  }
}
