/** Prometheus metrics of a process. */
import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import { logLinesDropped } from './logging.ts'

/** A registry with the process's default metrics and its log's; services add their own counters and gauges to it. */
export function createMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  new Counter({
    name: 'log_lines_dropped_total',
    help: 'Log lines that could not be written: the disk is full, or nobody reads the output.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(logLinesDropped())
    },
  })
  return registry
}
