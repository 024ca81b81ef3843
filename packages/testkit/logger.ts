/** A log that a test reads back. */
import { pino } from 'pino'

export interface LogLine {
  level: number
  msg: string
  [field: string]: unknown
}

/** LOG=1 shows the lines as well. */
export function recordingLogger(level: 'info' | 'debug' = 'info') {
  const lines: LogLine[] = []
  const stream = {
    write(line: string) {
      lines.push(JSON.parse(line))
      if (process.env.LOG) process.stderr.write(line)
    },
  }
  return { logger: pino({ level }, stream), lines }
}
