/**
 * Holds an app to its own OpenAPI document: every answer must be documented (status, code, body), and in the end every
 * documented status and code must have been answered.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { InjectOptions } from 'fastify'

/** What this kit needs of a Fastify app. */
interface App {
  inject(
    options: InjectOptions,
  ): Promise<{ statusCode: number; headers: Record<string, unknown>; body: string; json(): unknown }>
}

export interface Call {
  method: 'GET' | 'POST'
  url: string
  headers?: Record<string, string>
  payload?: string | Buffer
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  /** The parsed body; undefined when it is empty. */
  body: Record<string, unknown> | undefined
}

interface Operation {
  security?: { userId?: [] }[]
  responses: Record<string, { content?: Record<string, { schema: object; examples?: Record<string, unknown> }> }>
}

export interface Route {
  method: Call['method']
  path: string
  /** Whether X-User-Id is required. */
  identified: boolean
}

/** The codes of the public API: the contract's section on HTTP. Admin routes are the operators' and not in it. */
const contractCodes = new Set([
  'validation_failed',
  'user_id_required',
  'user_id_invalid',
  'body_invalid_json',
  'body_too_large',
  'content_type_unsupported',
  'route_not_found',
  'rate_limited',
  'store_unavailable',
  'outcome_unknown',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'user_exists',
  'user_not_found',
  'account_exists',
  'account_not_found',
  'balance_limit',
  'insufficient_funds',
  'order_not_found',
  'origin_forbidden',
  'upgrade_required',
])
const adminCodes = new Set(['dead_letter_not_found', 'replay_failed'])

const PROBLEM = 'application/problem+json'

export type HttpContract = Awaited<ReturnType<typeof readContract>>

/** Reads the app's document. `check` throws an Error that says in what an answer differs from it. */
export async function readContract(app: App) {
  const document = (await app.inject({ url: '/docs/json' })).json() as {
    paths: Record<string, Record<string, Operation>>
    components: object
  }
  const validators = compileAll(document)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase() as Call['method'],
      path,
      pattern: new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
      operation,
    })),
  )
  const documented = new Set(
    operations.flatMap(({ method, path, operation }) =>
      Object.entries(operation.responses).flatMap(([status, { content }]) => {
        const codes = Object.keys(content?.[PROBLEM]?.examples ?? {})
        return (codes.length > 0 ? codes : ['']).map((code) => nameOf(method, path, status, code))
      }),
    ),
  )
  const answered = new Set<string>()

  /** Checks one answer, however it was obtained. @throws Error when it is not as documented. */
  function check(method: string, url: string, answer: Answer): Answer {
    const pathname = url.split('?')[0] ?? url
    const found = operations.find((o) => o.method === method && o.pattern.test(pathname))
    if (!found) {
      if (answer.body?.code === 'route_not_found') return checkProblem(answer)
      throw new Error(`${method} ${url} is not documented, but answers ${answer.status}`)
    }
    const code = typeof answer.body?.code === 'string' ? answer.body.code : ''
    const name = nameOf(method, found.path, String(answer.status), code)
    if (!documented.has(name)) throw new Error(`not documented: ${name} ${JSON.stringify(answer.body)}`)
    answered.add(name)
    if (code !== '') {
      const known = contractCodes.has(code) || (found.path.startsWith('/admin/') && adminCodes.has(code))
      if (!known) throw new Error(`${name}: the contract has no such code`)
      checkProblem(answer)
    }
    const validate = validators.get(nameOf(method, found.path, String(answer.status), ''))
    if (!validate) {
      if (answer.body !== undefined) throw new Error(`${name}: has a body, but documents none`)
    } else if (!validate(answer.body)) {
      throw new Error(`${name}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(answer.body)}`)
    }
    return answer
  }

  return {
    document,
    routes: operations.map(
      ({ method, path, operation }): Route => ({
        method,
        path,
        identified: operation.security?.length === 1 && operation.security[0]?.userId !== undefined,
      }),
    ),
    check,
    /** Injects the call and checks its answer. `other` is another app with the same routes. */
    async call(call: Call, other: App = app): Promise<Answer> {
      const response = await other.inject(call)
      const { body } = response
      return check(call.method, call.url, {
        status: response.statusCode,
        headers: response.headers,
        body: body === '' ? undefined : (JSON.parse(body) as Record<string, unknown>),
      })
    },
    documents: (method: string, path: string, status: number): boolean =>
      operations.some((o) => o.method === method && o.path === path && String(status) in o.operation.responses),
    /** What is documented and was never answered. */
    unanswered: (): string[] => [...documented].filter((name) => !answered.has(name)).sort(),
  }
}

const nameOf = (method: string, path: string, status: string, code: string) =>
  `${method} ${path} ${status} ${code}`.trim()

/** Every problem has its media type to the letter, and the request's id. */
function checkProblem(answer: Answer): Answer {
  const { status, headers, body } = answer
  if (headers['content-type'] !== PROBLEM) throw new Error(`a problem of type ${headers['content-type']}`)
  if (body?.status !== status) throw new Error(`status ${status}, but the body says ${body?.status}`)
  if (!body.requestId || body.requestId !== headers['x-request-id']) {
    throw new Error(`requestId ${body.requestId} and X-Request-Id ${headers['x-request-id']} differ`)
  }
  return answer
}

function compileAll(document: { paths: Record<string, Record<string, Operation>>; components: object }) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  // ajv-formats is CommonJS: its default export arrives as a namespace.
  const addFormats = formats as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  // The services themselves do not, for the sake of their start.
  for (const schema of schemasIn(document)) {
    if (!ajv.validateSchema(schema)) throw new Error(`not a schema: ${ajv.errorsText()} in ${JSON.stringify(schema)}`)
  }
  const validators = new Map<string, ValidateFunction>()
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      for (const [status, { content }] of Object.entries(responses)) {
        const schema = Object.values(content ?? {})[0]?.schema
        if (!schema) continue
        const name = nameOf(method.toUpperCase(), path, status, '')
        validators.set(name, ajv.compile({ ...schema, components: document.components }))
      }
    }
  }
  return validators
}

/** Of parameters, bodies, answers and headers, and the named ones. */
function schemasIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => {
    if (key === 'schemas') return Object.values(child)
    return key === 'schema' ? [child] : schemasIn(child)
  })
}
