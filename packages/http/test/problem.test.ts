import { STATUS_CODES } from 'node:http'
import { Problem, problemCodes } from '@checkout/kernel/problem.ts'
import t from 'tap'
import { testApp } from './app.ts'

t.test('the table holds the statuses of the contract', async (t) => {
  const contract = {
    user_id_required: 401,
    user_id_invalid: 400,
    validation_failed: 400,
    body_invalid_json: 400,
    body_too_large: 413,
    content_type_unsupported: 415,
    route_not_found: 404,
    rate_limited: 429,
    upstream_unavailable: 502,
    upstream_timeout: 504,
    store_unavailable: 503,
    idempotency_key_invalid: 400,
    idempotency_key_reused: 422,
    user_exists: 409,
    user_not_found: 404,
    account_exists: 409,
    account_not_found: 404,
    order_not_found: 404,
    insufficient_funds: 409,
    balance_limit: 409,
  }
  for (const [code, status] of Object.entries(contract)) {
    t.match(problemCodes[code as keyof typeof contract], { status, title: STATUS_CODES[status] }, code)
  }
})

t.test('a thrown Problem is answered as application/problem+json', async (t) => {
  const { app, lines } = await testApp()
  t.teardown(() => app.close())
  const response = await app.inject('/throw/problem')
  t.equal(response.headers['content-type'], 'application/problem+json')
  t.strictSame(response.json(), {
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: problemCodes.order_not_found.detail,
    code: 'order_not_found',
    requestId: response.headers['x-request-id'],
  })
  t.equal(lines.filter((line) => line.level !== 30).length, 0, 'a 4xx is not logged as an error')
})

t.test('a 500 leaks nothing and is logged once, with the error', async (t) => {
  const { app, lines } = await testApp()
  t.teardown(() => app.close())
  const response = await app.inject('/throw/other')
  t.match(response.json(), { status: 500, code: 'internal_error' })
  t.notMatch(response.body, /hunter2/)
  const errors = lines.filter((line) => line.level === 50)
  t.match(errors, [{ err: { message: 'the password is hunter2', stack: /app\.ts/ }, reqId: response.json().requestId }])
  t.equal(errors.length, 1)
})

t.test('an unavailable store is 503 with Retry-After', async (t) => {
  const { app, lines } = await testApp()
  t.teardown(() => app.close())
  const response = await app.inject('/throw/store')
  t.match(response.json(), { status: 503, code: 'store_unavailable' })
  t.equal(response.headers['retry-after'], '1')
  t.notMatch(response.body, /locked/)
  t.match(
    lines.filter((line) => line.level !== 30),
    [{ level: 40, err: { message: 'database is locked' } }],
  )
})

t.test('unknown routes, methods and broken URLs are route_not_found', async (t) => {
  const { app } = await testApp()
  t.teardown(() => app.close())
  for (const [method, url] of [
    ['GET', '/nowhere'],
    ['DELETE', '/orders'],
    ['GET', '/%zz'],
    ['GET', `/throw/${'x'.repeat(200)}`],
    ['POST', '/nowhere'],
  ] as const) {
    const response = await app.inject({ method, url })
    t.match(response.json(), { status: 404, code: 'route_not_found' }, `${method} ${url}`)
    t.equal(response.headers['content-type'], 'application/problem+json')
  }
})

t.test('a Problem may carry its own detail, errors and headers', async (t) => {
  const errors = [{ path: '/amount', message: 'must be at least 1' }]
  const problem = new Problem('validation_failed', { detail: 'No.', errors, headers: { 'x-a': 'b' } })
  t.match(problem.toBody('r1'), { status: 400, detail: 'No.', errors, requestId: 'r1' })
  t.strictSame(problem.headers, { 'x-a': 'b' })
})
