/** The tests of the requests: Postman scripts as text, and the refusals that many routes have in common. */
import { type ProblemCode, problemCodes } from '@checkout/kernel/problem.ts'
import type { Call } from './format.ts'

/** How long an account, a payment or a letter may take before the test calls it missing. */
const PATIENCE_MS = 30_000
const POLL_EVERY_MS = 100

/** A test of the status, then `more` lines of script. For them `body` is the answer's JSON. */
export const answers = (status: number, more: string): string =>
  `const body = pm.response.json()\n${statusIs(status)}\n${undented(more)}`

/** The same for an answer that is no JSON. */
export const answersText = (status: number, more: string): string => `${statusIs(status)}\n${undented(more)}`

const statusIs = (status: number) => `pm.test('status ${status}', () => pm.response.to.have.status(${status}))`

/** @param path the value that is not valid, as a JSON Pointer; for validation_failed */
export function refuses(code: ProblemCode, path?: string): string {
  const { status } = problemCodes[code]
  const refused = `
pm.test('${status} ${code}', () => {
  pm.response.to.have.status(${status})
  pm.expect(pm.response.json().code).to.eql('${code}')
})`
  const named = `
pm.test('${path} is named', () => {
  pm.expect(pm.response.json().errors.map((error) => error.path)).to.eql(['${path}'])
})`
  return path === undefined ? refused : refused + named
}

/** For paths that the chart's Ingress does not publish: there the ingress controller's own 404, which is no JSON, is right. */
export const orUnpublished = (test: string): string => `
const unpublished = pm.response.code === 404 && !/json/.test(pm.response.headers.get('Content-Type') || '')
if (unpublished) {
  pm.test('not published by the Ingress', () => pm.response.to.have.status(404))
} else {
${test.replaceAll(/^(?=.)/gm, '  ')}
}`

/**
 * For what happens by itself within moments: the request is sent again until its answer is as wanted. Then, or after
 * 30 s, the answer is tested like that of `answers(200, more)`. (Postman repeats nothing when a single request is sent.)
 * @param wanted script expression; `body` is the answer's JSON
 */
export const eventually = (wanted: string, more: string): string => `
const body = pm.response.json()
const wanted = ${wanted}
const deadline = pm.variables.get('deadline') || Date.now() + ${PATIENCE_MS}
if (!wanted && Date.now() < deadline) {
  pm.variables.set('deadline', deadline)
  pm.execution.setNextRequest(pm.info.requestId)
  setTimeout(() => {}, ${POLL_EVERY_MS}) // it is not sent before
} else {
  pm.variables.unset('deadline')
  ${statusIs(200)}
${undented(more, '  ')}
}`

/** What every route answers that wants a user: before it looks at anything else. */
export const strangers: Readonly<Record<string, Call>> = {
  '401 user_id_required': { test: refuses('user_id_required') },
  '400 user_id_invalid': { headers: { 'X-User-Id': 'ada, bob' }, test: refuses('user_id_invalid') },
}

/** What every route answers that reads a body. `invalid`: one with a value that must be refused, at `path`. */
export const badBodies = (invalid: object, path: string): Readonly<Record<string, Call>> => ({
  '400 validation_failed': { as: 'shopper', body: invalid, test: refuses('validation_failed', path) },
  '400 body_invalid_json': { as: 'shopper', body: '{"amount": 5', test: refuses('body_invalid_json') },
  '413 body_too_large': { as: 'shopper', body: { text: '{{text16KiB}}' }, test: refuses('body_too_large') },
  '415 content_type_unsupported': {
    as: 'shopper',
    headers: { 'Content-Type': 'text/plain' },
    body: 'amount: 5',
    test: refuses('content_type_unsupported'),
  },
})

/** What every list answers to bad parameters. */
export const badPages: Readonly<Record<string, Call>> = {
  '400 validation_failed: limit': {
    as: 'shopper',
    query: 'limit=101',
    test: refuses('validation_failed', '/query/limit'),
  },
  '400 validation_failed: cursor': {
    as: 'shopper',
    query: 'cursor=nonsense',
    test: refuses('validation_failed', '/query/cursor'),
  },
}

/** The first two pages of a list, of one item each. `newest`, `before`: script expressions, what the items include. */
export const pages = (newest: string, before: string): Readonly<Record<string, Call>> => ({
  '200 the first page': {
    as: 'shopper',
    query: 'limit=1',
    test: answers(
      200,
      `
      pm.test('the newest', () => pm.expect(body.items[0]).to.include(${newest}))
      pm.test('as many as asked for, and more to come', () => {
        pm.expect(body.items).to.have.lengthOf(1)
        pm.expect(body.next).to.be.a('string')
      })
      pm.collectionVariables.set('cursor', body.next)`,
    ),
  },
  '200 the next page': {
    as: 'shopper',
    query: 'limit=1&cursor={{cursor}}',
    test: answers(200, `pm.test('the one before', () => pm.expect(body.items[0]).to.include(${before}))`),
  },
})

/** The text without the indentation that it has in the source. */
function undented(text: string, indent = ''): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const margin = Math.min(...lines.map((line) => line.search(/\S/)))
  return lines.map((line) => indent + line.slice(margin)).join('\n')
}
