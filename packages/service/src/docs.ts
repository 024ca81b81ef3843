/** OpenAPI 3.1 and Swagger UI at `/docs/`, generated from the routes' schemas. */
import { STATUS_CODES } from 'node:http'
import { Problem as ProblemSchema, ref } from '@checkout/contracts/http.ts'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema, RouteOptions } from 'fastify'
import type { App } from './app.ts'
import { identify } from './identity.ts'
import { PROBLEM_TYPE, Problem, type ProblemCode, problemCodes } from './problem.ts'
import { noBody } from './validation.ts'

export interface DocsOptions {
  title: string
  description: string
  version: string
}

/** Codes that a route with `onRequest: identify`, or with a validated body, can answer; spread into `responses`. */
export const identityErrors = ['user_id_required', 'user_id_invalid', 'rate_limited'] as const satisfies ProblemCode[]
export const bodyErrors = [
  'validation_failed',
  'body_invalid_json',
  'body_too_large',
  'content_type_unsupported',
] as const satisfies ProblemCode[]

/**
 * A route's `response` schemas: the successes as given, and its problems grouped by status, with one example per code.
 * The type is that of the successes only, because problems are thrown and never sent by a handler.
 */
export function responses<S extends Record<number, unknown>>(success: S, codes: readonly ProblemCode[]): S {
  const byStatus = Map.groupBy(new Set(codes), (code) => problemCodes[code].status)
  const problems = [...byStatus].map(([status, group]) => [status, problemResponse(group)] as const)
  const described = Object.entries(success).map(([status, schema]) => [
    status,
    { description: STATUS_CODES[status], ...(schema as object) },
  ])
  return { ...Object.fromEntries(described), ...Object.fromEntries(problems) }
}

function problemResponse(codes: readonly ProblemCode[]) {
  const examples = codes.map((code) => {
    const errors = code === 'validation_failed' ? [{ path: '/amount', message: 'must be at least 1' }] : undefined
    const value = new Problem(code, errors && { errors }).toBody('0f1c6b1e-9a77-4a43-8d9f-1f0f3a5f6f0e')
    return [code, { value }] as const
  })
  return {
    description: codes.map((code) => `\`${code}\`: ${problemCodes[code].detail}`).join('\n\n'),
    content: { [PROBLEM_TYPE]: { schema: ref(ProblemSchema), examples: Object.fromEntries(examples) } },
  }
}

/** Call it before the routes are added. Every link in the page is relative, so it works behind any prefix. */
export async function registerDocs(app: App, options: DocsOptions): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: options.title, description: options.description, version: options.version },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          userId: { type: 'apiKey', in: 'header', name: 'X-User-Id', description: 'The id of the asking user.' },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `def-${i}`),
    },
    transform: ({ schema, url, route }) => ({ schema: describe(schema, route), url }),
  })
  // A trailing slash in the prefix: without one the plugin serves its page at /docs too, where its links are wrong.
  await app.register(swaggerUi, {
    routePrefix: '/docs/',
    uiConfig: { tryItOutEnabled: true, persistAuthorization: true, displayRequestDuration: true },
    theme: { title: options.title },
  })
  app.get('/docs', { schema: { hide: true } }, (_request, reply) => reply.redirect('docs/', 302))
}

/** What the route's code says already: who is identified needs the header, and noBody is no body. */
function describe(schema: FastifySchema | undefined, route: RouteOptions): FastifySchema {
  const { body, ...rest } = schema ?? {}
  const hooks = [route.onRequest].flat()
  return {
    ...rest,
    ...(body !== undefined && body !== noBody && { body }),
    ...(hooks.includes(identify as never) && { security: [{ userId: [] }] }),
  }
}
