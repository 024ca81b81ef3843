/** The checks that every service's HTTP test makes: refusals leave no trace, identity comes first, trouble is 503. */
import { badPages, badUserIds, type Refusal, rawRequest } from './bad-requests.ts'
import { contents } from './database.ts'
import type { Call, HttpContract } from './http-contract.ts'

/** What is needed of tap's test object. */
interface Test {
  strictSame(found: unknown, wanted: unknown, message: string): unknown
}

export interface Subject {
  contract: HttpContract
  /** The service's SQLite file. */
  file: string
}

/** Makes the call; it must be refused with this status and code, and nothing may have changed in the file. */
export async function refused(t: Test, { contract, file }: Subject, call: Call, wanted: Refusal): Promise<void> {
  const before = contents(file)
  const { status, body } = await contract.call(call)
  const errors = (body?.errors ?? []) as { path: string; message: string }[]
  const found = { status, code: body?.code, path: wanted.path !== undefined && errors.map((e) => e.path) }
  const { code, path } = wanted
  t.strictSame(
    { ...found, changed: JSON.stringify(contents(file)) !== JSON.stringify(before) },
    { status: wanted.status, code, path: path !== undefined && [path], changed: false },
    `${call.method} ${call.url}: ${wanted.label}`,
  )
}

/** Posts every bad body to the route. */
export async function refusesBodies(t: Test, subject: Subject, url: string, list: readonly Refusal[]): Promise<void> {
  for (const refusal of list) {
    const { payload, contentType } = refusal
    const headers = { 'x-user-id': 'ada', ...(contentType !== undefined && { 'content-type': contentType }) }
    await refused(t, subject, { method: 'POST', url, headers, ...(payload !== undefined && { payload }) }, refusal)
  }
}

/** Asks the list for every bad page. */
export async function refusesPages(
  t: Test,
  subject: Subject,
  url: string,
  more: readonly (readonly [query: string, path: string])[] = [],
): Promise<void> {
  for (const [query, path] of [...badPages, ...more]) {
    const call: Call = { method: 'GET', url: `${url}?${query}`, headers: { 'x-user-id': 'ada' } }
    await refused(t, subject, call, { label: query, status: 400, code: 'validation_failed', path })
  }
}

/**
 * Every route that asks for a user refuses the missing and the malformed one; a bad body comes with each POST, so this
 * also shows that identity is looked at first. `port`: the same app, listening.
 */
export async function refusesStrangers(t: Test, subject: Subject, port: number): Promise<void> {
  const { contract, file } = subject
  for (const { method, path, identified } of contract.routes) {
    if (!identified) continue
    const url = path.replace(/\{[^}]+\}/, 'x')
    const bad = method === 'POST' ? { payload: 'no JSON' } : {}
    const call = (userId?: string): Call => ({
      method,
      url,
      headers: { 'content-type': 'application/json', ...(userId !== undefined && { 'x-user-id': userId }) },
      ...bad,
    })
    const required = { status: 401, code: 'user_id_required' }
    await refused(t, subject, call(), { ...required, label: 'no user id' })
    await refused(t, subject, call(''), { ...required, label: 'an empty user id' })
    for (const id of badUserIds) {
      await refused(t, subject, call(id), { status: 400, code: 'user_id_invalid', label: `user id ${id}` })
    }
    const before = contents(file)
    const doubled = await rawRequest({
      port,
      method,
      path: url,
      headers: [
        ['X-User-Id', 'ada'],
        ['X-User-Id', 'ada'],
        ['Content-Type', 'application/json'],
      ],
      ...(method === 'POST' && { body: 'no JSON' }),
    })
    contract.check(method, url, doubled)
    t.strictSame([doubled.status, doubled.body?.code], [400, 'user_id_invalid'], `${method} ${path}: doubled user id`)
    t.strictSame(contents(file), before, 'and nothing changed')
  }
}

/** A key that is sent twice names two requests or none; Node would join the two to one. `port`: the app, listening. */
export async function refusesDoubledKeys(
  t: Test,
  { contract, file }: Subject,
  port: number,
  path: string,
  body: string,
): Promise<void> {
  const before = contents(file)
  const key = ['Idempotency-Key', 'k'] as const
  const headers = [['X-User-Id', 'ada'], ['Content-Type', 'application/json'], key, key] as const
  const { status, body: problem } = contract.check(
    'POST',
    path,
    await rawRequest({ port, method: 'POST', path, headers, body }),
  )
  t.strictSame([status, problem?.code], [400, 'idempotency_key_invalid'], `POST ${path}: doubled idempotency key`)
  t.strictSame(contents(file), before, 'and nothing changed')
}

/** With a store that cannot say whether it has stored them, the calls must answer so, with Retry-After. */
export async function unclear(
  t: Test,
  { contract }: Subject,
  store: { write: unknown },
  calls: readonly Call[],
): Promise<void> {
  const { write } = store
  store.write = () => Promise.reject(Object.assign(new Error('unclear'), { code: 'OUTCOME_UNKNOWN' }))
  for (const call of calls) {
    const { status, body, headers } = await contract.call(call)
    const found = [status, body?.code, headers['retry-after']]
    t.strictSame(found, [503, 'outcome_unknown', '1'], `${call.method} ${call.url}`)
  }
  store.write = write
}

/** The calls, all at once, must answer 503 store_unavailable with Retry-After. */
export async function unavailable(t: Test, { contract }: Subject, calls: readonly Call[]): Promise<void> {
  await Promise.all(
    calls.map(async (call) => {
      const { status, body, headers } = await contract.call(call)
      const found = [status, body?.code, headers['retry-after']]
      t.strictSame(found, [503, 'store_unavailable', '1'], `${call.method} ${call.url}`)
    }),
  )
}
