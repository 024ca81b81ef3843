/**
 * `helm test`: a checkout from the registration to the letters, over the gateway whose URL is the argument. Exits 1 at the
 * first thing that is not as it should be. Its user is new each time, and stays.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

const WITHIN_MS = 30_000
const url = process.argv[2]
const userId = `helm-test-${crypto.randomUUID()}`

async function call(method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-user-id': userId, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(WITHIN_MS),
  })
  return { status: response.status, body: await response.json() }
}

/** Asks again until `wanted` says yes to the answer: payments and letters come by themselves, but not at once. */
async function until(what, ask, wanted) {
  for (const end = Date.now() + WITHIN_MS; ; await delay(200)) {
    const answer = await ask()
    if (wanted(answer)) return answer
    assert(Date.now() < end, `${what}: not within ${WITHIN_MS / 1000} s, last answer ${JSON.stringify(answer)}`)
  }
}

async function order(amount, status, kind) {
  const placed = await call('POST', '/orders', { amount, description: 'helm test' })
  assert.equal(placed.status, 201, JSON.stringify(placed))
  const { id } = placed.body
  await until(
    `order ${id} is ${status}`,
    () => call('GET', `/orders/${id}`),
    ({ body }) => body.status === status,
  )
  await until(
    `the letter ${kind} is written`,
    () => call('GET', '/notifications'),
    ({ body }) => body.items.some((letter) => letter.orderId === id && letter.kind === kind),
  )
  process.stdout.write(`order of ${amount}: ${status}, letter ${kind}\n`)
}

const balance = async () => (await call('GET', '/accounts/me')).body.balance

/** Right after an installation: nobody there yet, or the gateway without its services. */
const isStarting = ({ status }) => [0, 502, 503, 504].includes(status)
const registered = await until(
  'somebody answers',
  () =>
    call('POST', '/users', { name: 'Helm Test', email: 'helm-test@example.com' }).catch((error) => ({
      status: 0,
      body: String(error.cause ?? error),
    })),
  (answer) => !isStarting(answer),
)
// 409: an earlier attempt arrived, and its answer did not.
assert([201, 409].includes(registered.status), JSON.stringify(registered))
await until(
  'the account opens',
  () => call('GET', '/accounts/me'),
  ({ status }) => status === 200,
)
const deposit = await call('POST', '/accounts/me/deposits', { amount: 1000 })
assert.equal(deposit.status, 201, JSON.stringify(deposit))
process.stdout.write(`user ${userId}: registered, account open, 1000 deposited\n`)

await order(700, 'paid', 'order_paid')
assert.equal(await balance(), 300, 'balance after the paid order')
await order(301, 'failed', 'order_failed')
assert.equal(await balance(), 300, 'balance after the failed order')
process.stdout.write('balance 300 after both, as it should be\n')
