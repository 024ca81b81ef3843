/** HTTP in: users and orders. */
import * as examples from '@checkout/contracts/examples.ts'
import { Journey, NewOrder, NewUser, Order, OrderPage, orderStatuses, ref, User } from '@checkout/contracts/http.ts'
import type { App } from '@checkout/http/app.ts'
import {
  bodyErrors,
  etag,
  identityErrors,
  limitTooLarge,
  location,
  replayed,
  responses,
  success,
} from '@checkout/http/docs.ts'
import { identify, optionalIdentity } from '@checkout/http/identity.ts'
import { decodeCursor, pageQuery, toPage } from '@checkout/http/pages.ts'
import type { Platform } from '@checkout/kernel/platform.ts'
import { Problem } from '@checkout/kernel/problem.ts'
import { rfc3339 } from '@checkout/kernel/rfc3339.ts'
import { traceparentOf } from '@checkout/messaging/trace.ts'
import { idempotencyHeader, idempotencyKey, sendAnswer } from '@checkout/service/idempotent-route.ts'
import { Type } from 'typebox'
import { journeyOf } from './journey.ts'
import { etagOf, toOrder } from './order.ts'
import { placeOrder } from './place-order.ts'
import { registerUser } from './register-user.ts'
import type { OrdersStore } from './store/port.ts'

export interface RoutesDeps {
  store: OrdersStore
  readonly platform: Platform
  currency: string
}

const OrderParams = Type.Object({ id: Type.String({ description: "The order's id, as POST /orders answered it." }) })
const StatusFilter = Type.Enum(orderStatuses, {
  type: 'string',
  description: 'Only the orders that are pending, paid or failed now; leave it out for all.',
})
const ifNoneMatch = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({ description: 'ETag of an earlier answer, with its quotes; 304 when nothing changed.' }),
  ),
})

export function userRoutes(app: App, { store, platform }: RoutesDeps): void {
  const tags = ['users']

  app.post(
    '/users',
    {
      onRequest: optionalIdentity,
      config: { limitAddress: true },
      schema: {
        tags,
        operationId: 'registerUser',
        summary: 'Register a user',
        description:
          'With X-User-Id it registers that id; without, it makes one. The account (GET /accounts/me) opens by itself within moments.',
        security: [{}, { userId: [] }],
        body: ref(NewUser),
        response: responses(
          { 201: success(ref(User), { description: 'The user is registered.', headers: location('/users/me') }) },
          [...bodyErrors, 'user_id_invalid', 'rate_limited', 'user_exists', 'store_unavailable', 'outcome_unknown'],
          { path: '/email', message: 'must be an e-mail address' },
        ),
      },
    },
    async (request, reply) => {
      const id = request.userId || platform.newId()
      const registration = { ...request.body, id, traceparent: traceparentOf(request.headers) }
      const user = await store.write((tx) => registerUser(tx, registration, platform))
      return reply.code(201).header('location', '/users/me').send(user)
    },
  )

  app.get(
    '/users/me',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'getUser',
        summary: 'Read the asking user',
        description: 'The user that X-User-Id names, as it was registered.',
        response: responses({ 200: success(ref(User), { description: 'The user.' }) }, [
          ...identityErrors,
          'user_not_found',
          'store_unavailable',
        ]),
      },
    },
    async ({ userId }) => {
      const user = await store.read.users.find(userId)
      if (!user) throw new Problem('user_not_found')
      return { ...user, createdAt: rfc3339(user.createdAt) }
    },
  )
}

export function orderRoutes(app: App, { store, platform, currency }: RoutesDeps): void {
  const tags = ['orders']

  app.post(
    '/orders',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'placeOrder',
        summary: 'Place an order',
        description:
          'Its payment runs by itself: the order becomes paid or failed within moments, and a letter says which. Without an account or with too little on it the order fails; it is not refused here. Send an Idempotency-Key so that a retry places the order once.',
        headers: idempotencyHeader,
        body: ref(NewOrder),
        response: responses(
          {
            201: success(ref(Order), {
              description: 'The order is placed; its payment is pending.',
              headers: { ...location(`/orders/${examples.pendingOrder.id}`), ...replayed },
            }),
          },
          [
            ...identityErrors,
            ...bodyErrors,
            'idempotency_key_invalid',
            'idempotency_key_reused',
            'store_unavailable',
            'outcome_unknown',
          ],
        ),
      },
    },
    async (request, reply) => {
      const placement = {
        ...request.body,
        userId: request.userId,
        idempotencyKey: idempotencyKey(request.raw),
        traceparent: traceparentOf(request.headers),
      }
      const answer = await store.write((tx) => placeOrder(tx, placement, { platform, currency }))
      return sendAnswer(reply, answer)
    },
  )

  app.get(
    '/orders',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'listOrders',
        summary: 'List the user’s orders',
        description: 'Newest first, one page at a time.',
        querystring: Type.Object(
          { ...pageQuery, status: Type.Optional(StatusFilter) },
          { additionalProperties: false },
        ),
        response: responses(
          { 200: success(ref(OrderPage), { description: 'One page of orders; empty when there are none.' }) },
          [...identityErrors, 'validation_failed', 'store_unavailable'],
          limitTooLarge,
        ),
      },
    },
    async ({ userId, query: { status, cursor, limit } }) => {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
      const page = toPage(await store.read.orders.list(userId, status, before, limit + 1), limit, (row) => row.seq)
      return { items: page.items.map(toOrder), next: page.next }
    },
  )

  app.get(
    '/orders/:id',
    {
      onRequest: identify,
      schema: {
        tags,
        operationId: 'getOrder',
        summary: 'Read one order',
        description:
          'While it is pending, ask again, best with If-None-Match: an unchanged order answers 304 without a body.',
        params: OrderParams,
        headers: ifNoneMatch,
        response: responses(
          {
            200: success(ref(Order), { description: 'The order.', headers: etag, example: examples.paidOrder }),
            304: success(Type.Null(), { description: 'The order is as If-None-Match knows it.', headers: etag }),
          },
          [...identityErrors, 'order_not_found', 'store_unavailable'],
        ),
      },
    },
    async (request, reply) => {
      const order = await store.read.orders.find(request.params.id, request.userId)
      if (!order) throw new Problem('order_not_found')
      const etag = etagOf(order)
      reply.header('etag', etag)
      // Not null: that would be serialised, and the 304 would announce the four bytes of "null".
      if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send(undefined as unknown as null)
      return reply.code(200).send(toOrder(order))
    },
  )

  app.get(
    '/journeys/orders/:id',
    {
      onRequest: identify,
      schema: {
        tags: ['journeys'],
        operationId: 'getOrdersJourney',
        summary: 'What orders-service knows of an order’s way',
        description: 'Every step is one that was stored. The steps outbox and published go after about ten minutes.',
        params: OrderParams,
        response: responses({ 200: success(ref(Journey), { description: 'The steps, oldest first.' }) }, [
          ...identityErrors,
          'order_not_found',
          'store_unavailable',
        ]),
      },
    },
    async ({ params, userId }) => {
      const order = await store.read.orders.find(params.id, userId)
      if (!order) throw new Problem('order_not_found')
      return journeyOf(order, store.read)
    },
  )
}

/** RFC 9110 §13.1.2: a list of tags, compared weakly, or `*`. */
const matches = (header: string | undefined, etag: string): boolean =>
  header?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false
