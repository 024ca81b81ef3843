/** The IDL files of one interaction style, parsed and validated by the parsers of their formats. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Parser } from '@asyncapi/parser'
import { dereference, validate } from '@readme/openapi-parser'

export const folder = join(import.meta.dirname, '../../docs/interaction-styles')

export interface HttpOperation {
  readonly id: string
  readonly method: string
  readonly path: string
  /** The service that answers it. */
  readonly service: string
  /** Status → title of the body's schema. */
  readonly answers: ReadonlyMap<string, string>
}

export interface MessageOperation {
  readonly id: string
  readonly action: 'send' | 'receive'
  /** The service whose operation it is. */
  readonly service: string
  /** Name → title of the payload's schema, where it has one. */
  readonly messages: ReadonlyMap<string, string | undefined>
}

export interface Idl {
  readonly http: readonly HttpOperation[]
  readonly messages: readonly MessageOperation[]
}

/** @throws when a file is not valid */
export async function readIdl(style: string): Promise<Idl> {
  const asyncapi = join(folder, `${style}.asyncapi.yaml`)
  return {
    http: await readOpenApi(join(folder, `${style}.openapi.yaml`)),
    messages: existsSync(asyncapi) ? await readAsyncApi(asyncapi) : [],
  }
}

interface Media {
  schema?: { title?: string }
}
interface Operation {
  operationId: string
  tags: [string]
  responses: Record<string, { content?: Record<string, Media> }>
}

async function readOpenApi(file: string): Promise<HttpOperation[]> {
  const verdict = await validate(file)
  if (!verdict.valid) throw new Error(`${file}: ${verdict.errors.map(({ message }) => message).join('\n')}`)
  const { paths } = (await dereference(file)) as unknown as { paths: Record<string, Record<string, unknown>> }
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== 'parameters')
      .map(([method, value]) => {
        const { operationId, tags, responses } = value as Operation
        const answers = Object.entries(responses).map(([status, { content = {} }]) => {
          const [media] = Object.values(content)
          return [status, media?.schema?.title ?? ''] as const
        })
        return { id: operationId, method, path, service: tags[0], answers: new Map(answers) }
      }),
  )
}

async function readAsyncApi(file: string): Promise<MessageOperation[]> {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file })
  const wrong = diagnostics.map(({ path, message }) => `${path.join('.')}: ${message}`)
  if (!document || wrong.length > 0) throw new Error(`${file}: ${wrong.join('\n')}`)
  return document
    .operations()
    .all()
    .map((operation) => ({
      id: operation.id() ?? '',
      action: operation.action() as 'send' | 'receive',
      service: operation.tags().all()[0]?.name() ?? '',
      messages: new Map(
        operation
          .messages()
          .all()
          .map((message) => [message.id(), message.payload()?.title()] as const),
      ),
    }))
}
