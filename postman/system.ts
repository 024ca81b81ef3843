/** Folder 2, what all services answer: journeys, status, documentation; and the gateway itself. */
import { parts } from '@checkout/contracts/services.ts'
import { answers, answersText, orUnpublished, refuses, strangers } from './checks.ts'
import { type Call, endpoint, type Folder, request } from './format.ts'

export const journeyRoutes = parts.map((part) =>
  endpoint(`GET /journeys/${part}/{id}`, `What ${part}-service knows of an order's way, step by step.`, {
    '200 the steps': {
      as: 'shopper',
      test: answers(
        200,
        `
        pm.test('told by ${part}-service', () => pm.expect(body.service).to.eql('${part}-service'))
        pm.test('at least two steps', () => pm.expect(body.steps).to.have.lengthOf.at.least(2))`,
      ),
    },
    '404 order_not_found': { as: 'stranger', test: refuses('order_not_found') },
    ...strangers,
  }),
)

export const statusRoutes = parts.map((part) =>
  endpoint(`GET /status/${part}`, `How ${part}-service is.`, {
    '200 in order': {
      test: answers(
        200,
        `
        pm.test('its database and its broker', () => {
          pm.expect(body).to.include({ service: '${part}-service', store: 'ok', nats: 'ok' })
        })`,
      ),
    },
  }),
)

const page = (path: string): Call => ({
  path,
  test: answersText(
    200,
    `pm.test('a page', () => pm.expect(pm.response.headers.get('Content-Type')).to.match(/^text\\/html/))`,
  ),
})
const openApi = (part: string): Call => ({
  path: `/docs/${part}/json`,
  test: answers(
    200,
    `
    pm.test('OpenAPI 3.1 of ${part}-service', () => {
      pm.expect(body.openapi).to.match(/^3\\.1\\./)
      pm.expect(body.info.title).to.eql('${part}-service')
    })`,
  ),
})

export const documentation = endpoint(
  'GET /docs/',
  'The documentation: one page over all services, and each one’s own.',
  {
    '200 over all services': page('/docs/'),
    '302 without the slash': {
      path: '/docs',
      followRedirects: false,
      test: answersText(302, `pm.test('there', () => pm.expect(pm.response.headers.get('Location')).to.eql('/docs/'))`),
    },
    ...Object.fromEntries(
      parts.flatMap((part) => [
        [`200 ${part}-service`, page(`/docs/${part}/`)],
        [`200 ${part}-service, OpenAPI`, openApi(part)],
      ]),
    ),
  },
)

const notFound = (route: string) =>
  request(`404 ${route}`, route, { as: 'shopper', test: orUnpublished(refuses('route_not_found')) })

export const gateway: Folder = {
  name: 'The gateway',
  description: 'What it answers itself, the web UI behind it, and what it does not let through.',
  item: [
    request('200 the web UI', 'GET /', page('/')),
    request('200 alive', 'GET /health/live', {
      test: orUnpublished(answers(200, `pm.test('ok', () => pm.expect(body.status).to.eql('ok'))`)),
    }),
    request('200 ready', 'GET /health/ready', {
      test: orUnpublished(answers(200, `pm.test('all services are', () => pm.expect(body.status).to.eql('ok'))`)),
    }),
    notFound('GET /nothing/here'),
    notFound('DELETE /orders/{id}'),
    notFound('POST /journeys/orders/{id}'),
    notFound('GET /status/nobody'),
    notFound('GET /admin/dead-letters'),
  ],
}
