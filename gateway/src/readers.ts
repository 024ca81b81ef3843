/**
 * What clients have not read yet. A client that is slower than a service must not hold a connection to it, so its
 * answer is read to the end and kept here: within bounds, at which the one that is behind longest is cut off.
 */
import type { ServerResponse } from 'node:http'
import type { Platform } from '@checkout/kernel/platform.ts'

export interface ReaderLimits {
  /** More of one answer is not kept: reading it is paused, and its connection stays taken. Every answer here is smaller. */
  answerBytes: number
  /** Of all answers together. */
  totalBytes: number
  /** Answers that are paused at the same time. */
  paused: number
  /** From the first byte that a client does not take at once to the last. A client that takes none has 30 s (http.ts). */
  behindMs: number
}

export const READER_LIMITS: ReaderLimits = {
  answerBytes: 4 * 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
  paused: 16,
  behindMs: 120_000,
}

export interface Readers {
  /** To be called when write() said that the client does not keep up. False: no more until `resume` is called. */
  keep(response: ServerResponse, resume: () => void): boolean
  stats(): { behind: number; paused: number; bytes: number }
}

export function createReaders({ setTimeout, clearTimeout }: Platform, limits: ReaderLimits = READER_LIMITS): Readers {
  /** In the order in which they fell behind. */
  const behind = new Map<ServerResponse, { bytes: number; forget: () => void }>()
  const paused = new Map<ServerResponse, () => void>()
  let total = 0

  function keep(response: ServerResponse, resume: () => void): boolean {
    const kept = behind.get(response) ?? add(response)
    const bytes = response.writableLength
    total += bytes - kept.bytes
    kept.bytes = bytes
    if (bytes > limits.answerBytes) paused.set(response, resume)
    while (total > limits.totalBytes) cutOff(oldest(behind))
    while (paused.size > limits.paused) cutOff(oldest(paused))
    return !paused.has(response)
  }

  function add(response: ServerResponse) {
    const { socket } = response.req
    const timer = setTimeout(() => cutOff(response), limits.behindMs).unref()
    const forget = () => {
      clearTimeout(timer)
      response.off('drain', forget)
      response.off('close', forget)
      socket.off('close', forget)
      total -= kept.bytes
      behind.delete(response)
      const resume = paused.get(response)
      paused.delete(response)
      // Not now: this may run in the middle of another answer's piece, and undici parses only one at a time.
      if (resume !== undefined) queueMicrotask(resume)
    }
    const kept = { bytes: 0, forget }
    behind.set(response, kept)
    response.on('drain', forget)
    response.on('close', forget)
    // Of pipelined requests Node tells only the first one's response; there may be many on one socket.
    socket.setMaxListeners(0).on('close', forget)
    return kept
  }

  function cutOff(response: ServerResponse) {
    response.req.socket.destroy()
    response.destroy()
    behind.get(response)?.forget()
  }

  return {
    keep,
    stats: () => ({ behind: behind.size, paused: paused.size, bytes: total }),
  }
}

const oldest = (map: ReadonlyMap<ServerResponse, unknown>) => map.keys().next().value as ServerResponse

/** Whether nobody will read the answer. Of an answer that waits for its turn in a pipeline only the socket tells. */
export const hasGone = (response: ServerResponse): boolean => response.destroyed || response.req.socket.destroyed
