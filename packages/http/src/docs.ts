/** OpenAPI 3.1 and Swagger UI at `/docs/`, generated from the routes' schemas. */
import { STATUS_CODES } from 'node:http'
import { Problem as ProblemSchema, ref } from '@checkout/contracts/http.ts'
import { type FieldError, Problem, type ProblemCode, problemCodes } from '@checkout/kernel/problem.ts'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema, RouteOptions } from 'fastify'
import type { App } from './app.ts'
import { PROBLEM_TYPE } from './error-handler.ts'
import { identify } from './identity.ts'
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

type Headers = Record<string, { type: string; description: string; examples: unknown[] }>

/** Response headers for `success`; X-Request-Id and Retry-After are documented wherever they come. */
export const location = (path: string): Headers => ({
  Location: { type: 'string', description: 'The path to read it at.', examples: [path] },
})
export const etag: Headers = {
  ETag: { type: 'string', description: 'Changes whenever the body does.', examples: ['"paid-1795342530241"'] },
}
export const replayed: Headers = {
  'Idempotency-Replayed': {
    type: 'string',
    description: '`true` on the stored answer to an earlier request with the same Idempotency-Key; else absent.',
    examples: ['true'],
  },
}
const requestId: Headers = {
  'X-Request-Id': {
    type: 'string',
    description:
      'Names the request, also in the log: the X-Request-Id that was sent (1–64 letters, digits, ".", "_", "-"), else a new one.',
    examples: ['0f1c6b1e-9a77-4a43-8d9f-1f0f3a5f6f0e'],
  },
}
const retryAfter: Headers = {
  'Retry-After': { type: 'integer', description: 'Seconds to wait before the next try.', examples: [1] },
}

const rateLimit: Headers = {
  RateLimit: {
    type: 'string',
    description: 'r = requests left, t = seconds to the end of the minute. Also on successes where a limit is set.',
    examples: ['"user";r=0;t=42'],
  },
  'RateLimit-Policy': {
    type: 'string',
    description: 'Who is counted (user, or address where there is none), q = requests in w seconds.',
    examples: ['"user";q=600;w=60'],
  },
}

interface SuccessDocs {
  description: string
  headers?: Headers
  /** Shown instead of the schema's own first example. */
  example?: unknown
}

/** A success as `responses` takes it: the schema, and what the documentation says of this answer. */
export const success = <S extends object>(schema: S, docs: SuccessDocs): S => ({ ...schema, ...docs })

/** Examples for validation_failed, in validation.ts's words. */
const amountTooSmall: FieldError = { path: '/amount', message: 'must be at least 1' }
export const limitTooLarge: FieldError = { path: '/query/limit', message: 'must be at most 100' }
export const unknownField: FieldError = { path: '/note', message: 'is not a known field' }

/**
 * A route's `response` schemas: the successes as given, and its problems grouped by status, with one example per code.
 * The type is that of the successes only, because problems are thrown and never sent by a handler.
 * @param invalid what the example of validation_failed complains about
 */
export function responses<S extends Record<number, unknown>>(
  successes: S,
  codes: readonly ProblemCode[],
  invalid: FieldError = amountTooSmall,
): S {
  const byStatus = Map.groupBy(new Set(codes), (code) => problemCodes[code].status)
  const problems = [...byStatus].map(([status, group]) => [status, problemResponse(status, group, invalid)] as const)
  const described = Object.entries(successes).map(([status, schema]) => {
    const { headers, ...rest } = schema as Partial<SuccessDocs>
    return [status, { description: STATUS_CODES[status], ...rest, headers: { ...headers, ...requestId } }] as const
  })
  return { ...Object.fromEntries(described), ...Object.fromEntries(problems) } as S
}

function problemResponse(status: number, codes: readonly ProblemCode[], invalid: FieldError) {
  const examples = codes.map((code) => {
    const errors = code === 'validation_failed' ? [invalid] : undefined
    const value = new Problem(code, errors && { errors }).toBody('0f1c6b1e-9a77-4a43-8d9f-1f0f3a5f6f0e')
    return [code, { value }] as const
  })
  return {
    description: codes.map((code) => `\`${code}\`: ${problemCodes[code].detail}`).join('\n\n'),
    headers: { ...((status === 429 || status === 503) && retryAfter), ...(status === 429 && rateLimit), ...requestId },
    content: { [PROBLEM_TYPE]: { schema: ref(ProblemSchema), examples: Object.fromEntries(examples) } },
  }
}

/**
 * Everything comes from here, nothing inline is run, nobody may frame the page. `connect-src 'self'` is "Try it out": the
 * API is on the same origin.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

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
    transformObject: (document) =>
      'openapiObject' in document ? withTags(document.openapiObject) : document.swaggerObject,
    transform: ({ schema, url, route }) => ({ schema: describe(schema, route), url }),
  })
  // A hook and not the plugin's option, so that redirects and what is not found below /docs have it too.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/docs')) reply.header('content-security-policy', CONTENT_SECURITY_POLICY)
    done()
  })
  // A trailing slash in the prefix: without one the plugin serves its page at /docs too, where its links are wrong.
  await app.register(swaggerUi, {
    routePrefix: '/docs/',
    uiConfig: { tryItOutEnabled: true, persistAuthorization: true, displayRequestDuration: true },
    theme: { title: options.title },
  })
  app.get('/docs', { schema: { hide: true } }, (_request, reply) => reply.redirect('docs/', 302))
}

/** The order of the page: what the service is for comes first, what its operators need last. */
const tagOrder = ['users', 'orders', 'accounts', 'notifications', 'journeys', 'system', 'admin']

function withTags<T extends { paths?: object }>(document: T) {
  const operations = Object.values(document.paths ?? {}).flatMap((path) => Object.values(path ?? {}))
  const used = new Set(operations.flatMap((operation) => (operation as { tags?: string[] }).tags ?? []))
  return { ...document, tags: tagOrder.filter((name) => used.has(name)).map((name) => ({ name })) }
}

/** What the route's code says already: who is identified needs the header, and noBody is no body. */
function describe(schema: FastifySchema | undefined, route: RouteOptions): FastifySchema {
  const { body, response, querystring, ...rest } = schema ?? {}
  const hooks = [route.onRequest].flat()
  return {
    ...rest,
    ...(body !== undefined && body !== noBody && { body }),
    ...(querystring !== undefined && { querystring: withoutDefaulted(querystring as QuerySchema) }),
    ...(response !== undefined && { response: withExamples(response as Record<string, object>) }),
    ...(hooks.includes(identify as never) && { security: [{ userId: [] }] }),
  }
}

interface QuerySchema {
  properties: Record<string, { default?: unknown }>
  required?: string[]
}

/** A parameter with a default is always there for the handler, and optional for the client. */
function withoutDefaulted({ required, ...schema }: QuerySchema): QuerySchema {
  return { ...schema, required: (required ?? []).filter((name) => schema.properties[name]?.default === undefined) }
}

/** Moves an answer's own example to where OpenAPI has it. Only in the document: the serialisers want the plain schema. */
function withExamples(response: Record<string, { description?: string; headers?: Headers; example?: unknown }>) {
  const entries = Object.entries(response).map(([status, schema]) => {
    if (schema.example === undefined) return [status, schema] as const
    const { description, headers, example, ...plain } = schema
    return [status, { description, headers, content: { 'application/json': { schema: plain, example } } }] as const
  })
  return Object.fromEntries(entries)
}
