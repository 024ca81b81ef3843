import t from 'tap'
import { testApp } from './app.ts'

const docs = { title: 'orders-service', description: 'Orders.', version: '1.2.3' }

t.test('OpenAPI 3.1 from the routes', async (t) => {
  const { app } = await testApp({ docs, health: { store: () => true, nats: () => true } })
  t.teardown(() => app.close())
  const document = (await app.inject('/docs/json')).json()
  t.match(document, { openapi: '3.1.0', info: { title: 'orders-service', version: '1.2.3' }, servers: [{ url: '/' }] })
  t.strictSame(Object.keys(document.components.schemas).sort(), ['NewOrder', 'Order', 'Problem'])
  t.match(document.components.securitySchemes.userId, { type: 'apiKey', in: 'header', name: 'X-User-Id' })

  const { post } = document.paths['/orders']
  t.match(post.requestBody.content['application/json'].schema, { $ref: '#/components/schemas/NewOrder' })
  t.strictSame(post.security, [{ userId: [] }])
  t.strictSame(Object.keys(post.responses), ['201', '400', '401', '413', '415', '429'])
  t.match(post.responses['201'], {
    description: 'Created',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } },
  })
  const refused = post.responses['400'].content['application/problem+json']
  t.strictSame(refused.schema, { $ref: '#/components/schemas/Problem' })
  t.strictSame(Object.keys(refused.examples), ['user_id_invalid', 'validation_failed', 'body_invalid_json'])
  t.match(refused.examples.validation_failed.value, { status: 400, errors: [{ path: '/amount' }] })
  t.match(post.responses['400'].description, /`user_id_invalid`/)

  t.equal(document.paths['/accounts'].post.requestBody, undefined, 'noBody is no body')
  t.equal(document.paths['/users'].post.security, undefined)
  t.strictSame(
    document.paths['/orders'].get.parameters.map((p: { name: string; in: string }) => `${p.in} ${p.name}`),
    ['query limit', 'query cursor', 'query status'],
  )
  t.notOk(Object.keys(document.paths).some((path) => /^\/(docs|health|metrics)/.test(path)))
  t.match((await app.inject('/docs/yaml')).body, /^openapi: 3\.1\.0$/m)
})

t.test('the page works behind any prefix and asks nobody else', async (t) => {
  const { app } = await testApp({ docs })
  t.teardown(() => app.close())
  const redirect = await app.inject('/docs')
  t.match([redirect.statusCode, redirect.headers.location], [302, 'docs/'])

  const { body } = await app.inject('/docs/')
  const links = [...body.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link ?? '')
  t.ok(links.length >= 6)
  for (const link of links) {
    t.match(link, /^\.\/static\//, 'relative')
    const asset = await app.inject(new URL(link, 'http://a/docs/').pathname)
    t.equal(asset.statusCode, 200, link)
    if (link.endsWith('.css')) t.notMatch(asset.body, /url\(["']?(https?:)?\/\//, 'no font or image from elsewhere')
  }
  const { body: initializer } = await app.inject('/docs/static/swagger-initializer.js')
  t.match(initializer, /url: resolveUrl\('\.\/json'\)/)
  t.match(initializer, /validatorUrl: null/)
})
