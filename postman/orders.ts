/** Folder 2, the routes of orders-service: users and orders. */
import { answers, answersText, badBodies, badPages, eventually, pages, refuses, strangers } from './checks.ts'
import { endpoint } from './format.ts'

const shopper = { name: 'Grace Hopper', email: '{{shopper}}@example.com' }

const postUsers = endpoint('POST /users', 'Register a user. The account opens by itself.', {
  '201 registered under the id sent': {
    as: 'shopper',
    body: shopper,
    test: answers(
      201,
      `
      pm.test('under the id of X-User-Id', () => pm.expect(body.id).to.eql(pm.collectionVariables.get('shopper')))
      pm.test('Location', () => pm.expect(pm.response.headers.get('Location')).to.eql('/users/me'))`,
    ),
  },
  '201 registered under a new id': {
    body: { name: 'Alan Turing', email: 'alan@example.com' },
    test: answers(
      201,
      `
      pm.test('an id was made', () => pm.expect(body.id).to.match(/^[0-9a-f-]{36}$/))
      pm.collectionVariables.set('newcomer', body.id)`,
    ),
  },
  '409 user_exists': { as: 'shopper', body: shopper, test: refuses('user_exists') },
  '400 user_id_invalid': { headers: { 'X-User-Id': 'ada, bob' }, body: shopper, test: refuses('user_id_invalid') },
  ...badBodies({ name: 'Grace Hopper', email: 'grace' }, '/email'),
})

const getUser = endpoint('GET /users/me', 'The asking user.', {
  '200 the user': {
    as: 'newcomer',
    test: answers(200, `pm.test('as registered', () => pm.expect(body).to.include({ name: 'Alan Turing' }))`),
  },
  '404 user_not_found': { as: 'stranger', test: refuses('user_not_found') },
  ...strangers,
})

const towel = { amount: 79_900, description: 'Beach towel' }
const yacht = { amount: 90_000_000, description: 'Small yacht' }

const postOrders = endpoint('POST /orders', 'Place an order; its payment runs by itself.', {
  '201 placed': {
    as: 'shopper',
    headers: { 'Idempotency-Key': 'towel-1' },
    body: towel,
    test: answers(
      201,
      `
      pm.test('pending', () => {
        pm.expect(body).to.include({ amount: ${towel.amount}, status: 'pending', failureReason: null })
      })
      pm.test('Location', () => pm.expect(pm.response.headers.get('Location')).to.eql('/orders/' + body.id))
      pm.test('not a replay', () => pm.response.to.not.have.header('Idempotency-Replayed'))
      pm.collectionVariables.set('order', body.id)`,
    ),
  },
  '201 replayed, with the same Idempotency-Key': {
    as: 'shopper',
    headers: { 'Idempotency-Key': 'towel-1' },
    body: towel,
    test: answers(
      201,
      `
      pm.test('the same order', () => pm.expect(body.id).to.eql(pm.collectionVariables.get('order')))
      pm.test('a replay', () => pm.expect(pm.response.headers.get('Idempotency-Replayed')).to.eql('true'))`,
    ),
  },
  '422 idempotency_key_reused': {
    as: 'shopper',
    headers: { 'Idempotency-Key': 'towel-1' },
    body: { ...towel, amount: 1 },
    test: refuses('idempotency_key_reused'),
  },
  '400 idempotency_key_invalid': {
    as: 'shopper',
    headers: { 'Idempotency-Key': '{{text256}}' },
    body: towel,
    test: refuses('idempotency_key_invalid'),
  },
  '201 placed, too expensive': {
    as: 'shopper',
    body: yacht,
    test: answers(201, `pm.test('pending', () => pm.expect(body.status).to.eql('pending'))`),
  },
  '201 placed without an account': {
    as: 'stranger',
    body: towel,
    test: answers(
      201,
      `
      pm.test('pending', () => pm.expect(body.status).to.eql('pending'))
      pm.collectionVariables.set('hopelessOrder', body.id)`,
    ),
  },
  ...badBodies({ ...towel, amount: 0 }, '/amount'),
  '400 validation_failed: not an integer': {
    as: 'shopper',
    body: { ...towel, amount: 9.99 },
    test: refuses('validation_failed', '/amount'),
  },
  '400 validation_failed: a field is missing': {
    as: 'shopper',
    body: { amount: 1 },
    test: refuses('validation_failed', '/description'),
  },
  '400 validation_failed: an unknown field': {
    as: 'shopper',
    body: { ...towel, discount: 10 },
    test: refuses('validation_failed', '/discount'),
  },
  ...strangers,
})

const getOrder = endpoint('GET /orders/{id}', 'One order, and what has become of it.', {
  '200 paid': {
    as: 'shopper',
    description: 'Sent again until the order is settled.',
    test: eventually(
      `body.status !== 'pending'`,
      `
      pm.test('paid', () => pm.expect(body).to.include({ status: 'paid', failureReason: null }))
      pm.test('ETag', () => pm.response.to.have.header('ETag'))
      pm.collectionVariables.set('etag', pm.response.headers.get('ETag'))`,
    ),
  },
  '304 not modified': {
    as: 'shopper',
    headers: { 'If-None-Match': '{{etag}}' },
    test: answersText(304, `pm.test('without a body', () => pm.expect(pm.response.text()).to.eql(''))`),
  },
  '200 failed: account_not_found': {
    as: 'stranger',
    path: '/orders/{{hopelessOrder}}',
    description: 'Sent again until the order is settled.',
    test: eventually(
      `body.status !== 'pending'`,
      `
      pm.test('failed', () => {
        pm.expect(body).to.include({ status: 'failed', failureReason: 'account_not_found' })
      })`,
    ),
  },
  '404 order_not_found': { as: 'shopper', path: '/orders/nothing', test: refuses('order_not_found') },
  '404 order_not_found: of another user': { as: 'stranger', test: refuses('order_not_found') },
  ...strangers,
})

const listOrders = endpoint('GET /orders', 'The orders of the user, newest first, one page at a time.', {
  ...pages(`{ amount: ${yacht.amount} }`, `{ amount: ${towel.amount}, status: 'paid' }`),
  '200 only the failed ones': {
    as: 'shopper',
    query: 'status=failed',
    description: 'Sent again until the order is settled.',
    test: eventually(
      `body.items.length === 1`,
      `
      pm.test('the too expensive one', () => {
        pm.expect(body.items[0]).to.include({ amount: ${yacht.amount}, failureReason: 'insufficient_funds' })
        pm.expect(body.items).to.have.lengthOf(1)
        pm.expect(body.next).to.eql(null)
      })`,
    ),
  },
  '400 validation_failed: status': {
    as: 'shopper',
    query: 'status=lost',
    test: refuses('validation_failed', '/query/status'),
  },
  ...badPages,
  ...strangers,
})

export const userRoutes = [postUsers, getUser]
export const orderRoutes = [postOrders, getOrder, listOrders]
