/** The log: pino, JSON lines on stdout. */
import pino from 'pino'
import { createLogOutput, type LogOutput } from './log-output.ts'

export type Logger = pino.Logger

/** The process's stdout, once it has a logger. */
let output: LogOutput | undefined

/** Lines that could not be written and were dropped, since the start of the process. */
export const logLinesDropped = (): number => output?.dropped ?? 0

/**
 * Lines are collected and written asynchronously in blocks of about 4 KiB, at least once a second and at exit, because a
 * synchronous write per request would block the event loop. A SIGKILL loses at most the last second. While they cannot be
 * written they wait, up to 4 MiB; further ones are dropped, and counted in a line once writing works again.
 */
export function createLogger(options: { name: string; instance: number; level: string }): Logger {
  output ??= createLogOutput(1, {
    minLength: 4096,
    onRecovered: (lines) => logger.warn({ lines }, `${lines} lines were dropped: the log could not be written`),
  })
  const logger = pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid, instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  )
  return logger
}
