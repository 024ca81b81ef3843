/** Reading something again and again, one request at a time. */

export interface Refresher {
  /** Resolves when a read is done that began after this call. Calls during a read share the next one. */
  refresh(): Promise<void>
  /** What is being read now is out of date: its answer is dropped, and it is read once more. */
  invalidate(): void
}

/** `read` never rejects and looks at `isStale` before it uses the answer. */
export function createRefresher(read: (isStale: () => boolean) => Promise<void>): Refresher {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  let version = 0

  function start(): Promise<void> {
    const mine = version
    running = read(() => mine !== version).finally(() => {
      running = undefined
    })
    return running
  }

  function refresh(): Promise<void> {
    if (running === undefined) return start()
    next ??= running.then(() => {
      next = undefined
      return refresh()
    })
    return next
  }

  return {
    refresh,
    invalidate() {
      version++
      if (running !== undefined) void refresh()
    },
  }
}
