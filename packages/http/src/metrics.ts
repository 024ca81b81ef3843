/** The requests as Prometheus metrics, and the route that shows all of the process's. */
import { Histogram, type Registry } from 'prom-client'
import type { App } from './app.ts'

/** Serves `/metrics` and times every request as `http_request_duration_seconds` by method, route pattern and status. */
export function registerMetrics(app: App, registry: Registry): void {
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request to the end of the answer, in seconds.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  // Label sets by their key: building one per request would allocate and hash on the hot path.
  const labelled = new Map<string, Histogram.Internal<'method' | 'route' | 'status'>>()

  app.addHook('onResponse', (request, reply, done) => {
    // The pattern, not the path: a label value per order id would never end. Unmatched paths share one.
    const route = request.routeOptions.url ?? 'unmatched'
    const status = String(reply.statusCode)
    const key = `${request.method} ${status} ${route}`
    let timer = labelled.get(key)
    if (timer === undefined) {
      timer = durations.labels(request.method, route, status)
      labelled.set(key, timer)
    }
    timer.observe(reply.elapsedTime / 1000)
    done()
  })

  app.get('/metrics', { config: { quiet: true }, schema: { hide: true } }, async (_request, reply) => {
    reply.header('content-type', registry.contentType)
    return registry.metrics()
  })
}
