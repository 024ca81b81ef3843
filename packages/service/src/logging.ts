/** The log: pino, JSON lines on stdout. */
import pino from 'pino'

export type Logger = pino.Logger

/**
 * Lines are collected and written asynchronously in blocks of about 4 KiB, at least once a second and at exit, because a
 * synchronous write per request would block the event loop. A SIGKILL loses at most the last second.
 */
export function createLogger(options: { name: string; instance: number; level: string }): Logger {
  // pino flushes such a destination on process exit itself; periodicFlush is an unref'd timer in sonic-boom.
  const destination = pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 1000 })
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid, instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}
