/** Telling the storage's trouble from a caller's mistake; without SQLite itself, because the gateway has none. */

/**
 * Whether an error is the storage's trouble (locked, full, failing disk) and not the caller's mistake: such errors
 * pass, so they are answered 503 or retried and never count against a message.
 */
export function isStorageError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return false
  return code === 'STORE_UNAVAILABLE' || STORAGE_CODES.test(code)
}
const STORAGE_CODES = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM|CANTOPEN|READONLY|CORRUPT|NOTADB|PROTOCOL|INTERRUPT)/
