/** Telling the storage's trouble from a caller's mistake; without the engines themselves, because the gateway has none. */

/**
 * Whether an error is the storage's trouble (locked, full, failing disk) and not the caller's mistake: such errors
 * pass, so they are answered 503 or retried and never count against a message.
 */
export function isStorageError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return false
  return code === 'STORE_UNAVAILABLE' || code === 'OUTCOME_UNKNOWN' || SQLITE_CODES.test(code) || SQLSTATES.test(code)
}
const SQLITE_CODES = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM|CANTOPEN|READONLY|CORRUPT|NOTADB|PROTOCOL|INTERRUPT)/
/**
 * PostgreSQL's: connection, read-only, transaction ended or to be repeated, out of resources, locked, shut down or cancelled,
 * I/O, and a statement that the server forgot with its session (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 */
const SQLSTATES = /^(08|25006$|25P0[34]$|26000$|40|53|55P03$|57|58)[0-9A-Z]*$/
