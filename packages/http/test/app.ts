/** The app that the HTTP tests share: one route of each kind, and its log. */

import { NewOrder, ref } from '@checkout/contracts/http.ts'
import { createPlatform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { recordingLogger } from '@checkout/testkit/logger.ts'
import { Type } from 'typebox'
import { bodyErrors, identityErrors, responses } from '../src/docs.ts'
import { buildHttp, type HttpOptions } from '../src/http.ts'
import { identify, optionalIdentity } from '../src/identity.ts'
import { decodeCursor, pageQuery } from '../src/pages.ts'
import { noBody } from '../src/validation.ts'

const Order = Type.Object(
  { userId: Type.String(), amount: Type.Integer(), description: Type.String() },
  { $id: 'Order', additionalProperties: false },
)
const Status = Type.Union([Type.Literal('pending'), Type.Literal('paid'), Type.Literal('failed')])

export async function testApp(options: Partial<HttpOptions> = {}) {
  const { logger, lines } = recordingLogger()
  const app = await buildHttp({ platform: createPlatform(), logger, schemas: [NewOrder, Order], ...options })

  app.post(
    '/orders',
    {
      onRequest: identify,
      schema: { body: ref(NewOrder), response: responses({ 201: ref(Order) }, [...identityErrors, ...bodyErrors]) },
    },
    async (request, reply) => {
      reply.code(201)
      return { userId: request.userId, ...request.body } // typed by the schemas: another type would not compile
    },
  )
  app.get(
    '/orders',
    {
      onRequest: identify,
      schema: {
        querystring: Type.Object({ ...pageQuery, status: Type.Optional(Status) }, { additionalProperties: false }),
      },
    },
    async ({ query }) => ({
      limit: query.limit,
      after: query.cursor === undefined ? null : decodeCursor(query.cursor),
    }),
  )
  app.post('/accounts', { onRequest: identify, schema: { body: noBody } }, async () => ({ opened: true }))
  app.post('/users', { onRequest: optionalIdentity, config: { limitAddress: true } }, async ({ userId }) => ({
    userId,
  }))
  app.get('/throw/:what', async (request) => {
    const { what } = request.params as { what: string }
    if (what === 'problem') throw new Problem('order_not_found')
    if (what === 'store') throw Object.assign(new Error('database is locked'), { code: 'STORE_UNAVAILABLE' })
    throw new Error('the password is hunter2')
  })
  return { app, lines }
}

export const ada = { 'x-user-id': 'ada' }
export const adaJson = { ...ada, 'content-type': 'application/json' }
