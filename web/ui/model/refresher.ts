/**
 * Reading something again and again, one request at a time: so no answer overtakes a later one, and many wishes at once
 * (a burst of letters) become one request.
 *
 * The returned function resolves when a read is done that began after it was called. `read` never rejects.
 */
export function createRefresher(read: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  function refresh(): Promise<void> {
    if (running === undefined) {
      running = read().finally(() => {
        running = undefined
      })
      return running
    }
    // What runs may have been answered already before this wish came up.
    next ??= running.then(() => {
      next = undefined
      return refresh()
    })
    return next
  }
  return refresh
}
