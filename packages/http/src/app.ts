/** The app that buildHttp makes, as a type, and what this package adds to Fastify's own types. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Leave the route's requests out of the log: probes and scrapes come every few seconds. */
    quiet?: boolean
    /** With a rate limit, count requests of nobody by the client's address. */
    limitAddress?: boolean
  }
  interface FastifyInstance {
    /** Set by lifecycle.ts when the process is about to stop; /health/ready answers 503 then. */
    readiness: { draining: boolean }
  }
}
