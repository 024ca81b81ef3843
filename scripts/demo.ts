/**
 * `make demo`: both assignments' scenarios against a running system, step by step, for a person to read.
 *
 * Every step prints its request, the answer's status, the interesting part of the answer and what was expected.
 * The first wrong answer ends it with exit code 1. Each run uses new user ids, so it can be repeated at will.
 * BASE_URL says where the system is; without it http://localhost:PORT (8080).
 */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

const baseUrl = (process.env.BASE_URL || `http://localhost:${process.env.PORT || 8080}`).replace(/\/+$/, '')
/** How long an asynchronous effect (account, payment, letter) may take before the demo calls it missing. */
const EFFECT_DEADLINE_MS = 30_000
const POLL_INTERVAL_MS = 25
const REQUEST_TIMEOUT_MS = 10_000

type Json = Record<string, unknown>

interface Answer {
  status: number
  body: Json
}

interface Expectation {
  body?: Json
  status: number
  /** Members that the answer must have; the others are not looked at. */
  expect?: Json
  /** The part of the answer to look at and print; all of it if not given. */
  pick?: (body: Json) => Json | undefined
  /** Ask again until the answer is as expected, or the deadline passes. */
  wait?: boolean
}

/** A wrong answer: ends the demo with a message and without a stack trace. */
class DemoFailed extends Error {}

let steps = 0
const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code: number, text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function ask(user: string, request: string, body?: Json): Promise<Answer> {
  const [method = 'GET', path = '/'] = request.split(' ')
  const response = await fetch(baseUrl + path, {
    method,
    headers: { 'x-user-id': user, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: Error) => {
    const { code } = (error.cause ?? {}) as { code?: string }
    if (code === 'ECONNREFUSED') throw new DemoFailed(`nothing listens at ${baseUrl}: start it with make run`)
    throw new DemoFailed(`${request} got no answer: ${code ?? error.message}`)
  })
  const text = await response.text()
  try {
    return { status: response.status, body: text ? (JSON.parse(text) as Json) : {} }
  } catch {
    throw new DemoFailed(`${request} answered ${response.status} with something that is not JSON: ${text}`)
  }
}

/** Does one request, prints it and returns what `pick` saw. Throws DemoFailed when the answer is not as expected. */
async function step(title: string, user: string, request: string, wanted: Expectation): Promise<Json> {
  const { body, status, expect = {}, pick = (all) => all, wait = false } = wanted
  const started = performance.now()
  const attempt = async () => {
    const answer = await ask(user, request, body)
    const seen = answer.status < 400 ? pick(answer.body) : problemFacts(answer.body)
    const good =
      answer.status === status && seen && Object.entries(expect).every(([k, v]) => isDeepStrictEqual(seen[k], v))
    return { status: answer.status, seen, good }
  }
  let last = await attempt()
  while (wait && !last.good && performance.now() - started < EFFECT_DEADLINE_MS) {
    await pause(POLL_INTERVAL_MS)
    last = await attempt()
  }
  const facts = {
    title,
    request: `${request}${body ? ` ${JSON.stringify(body)}` : ''}`,
    expected: [status, expect] as const,
  }
  return report(facts, { ...last, answer: `${last.status}` }, wait ? started : undefined)
}

/** Prints a step and returns what was seen. Throws DemoFailed when it was not as expected. */
function report(
  step: { title: string; request: string; expected: readonly [what: string | number, members: Json] },
  last: { answer: string; seen: Json | undefined; good: boolean | undefined },
  waitedSince?: number,
): Json {
  const [what, members] = step.expected
  const expected = [what, ...Object.entries(members).map(([k, v]) => `${k} ${JSON.stringify(v)}`)].join(', ')
  const took = waitedSince === undefined ? '' : ` (${Math.round(performance.now() - waitedSince)} ms)`

  steps += 1
  console.log(`\n${paint(1, `${String(steps).padStart(2)}. ${step.title}`)}`)
  console.log(`    ${step.request}`)
  console.log(`    ${last.answer} ${last.seen ? JSON.stringify(last.seen) : 'without what was looked for'}`)
  console.log(`    ${last.good ? paint(32, '✓') : paint(31, '✗')} expected ${expected}${took}`)
  if (!last.good || !last.seen) {
    const patience = waitedSince === undefined ? '' : ` within ${EFFECT_DEADLINE_MS / 1000} s`
    throw new DemoFailed(`step ${steps} (${step.title}) did not answer ${expected}${patience}`)
  }
  return last.seen
}

/** The user's WebSocket. */
interface Stream {
  /** Waits for a frame that has these members, and reports it. */
  frame(title: string, expect: Json): Promise<void>
  close(): void
}

async function openStream(user: string): Promise<Stream> {
  const path = `/notifications/stream?userId=${user}`
  const socket = new WebSocket(baseUrl.replace(/^http/, 'ws') + path)
  const frames: Json[] = []
  socket.addEventListener('message', ({ data }) => frames.push(JSON.parse(String(data)) as Json))
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new DemoFailed(`no WebSocket at ${path}`)))
  })
  return {
    async frame(title, expect) {
      const started = performance.now()
      const find = () => frames.find((each) => Object.entries(expect).every(([k, v]) => isDeepStrictEqual(each[k], v)))
      while (!find() && performance.now() - started < EFFECT_DEADLINE_MS) await pause(POLL_INTERVAL_MS)
      const found = find()
      const seen = found && only('type', 'seq', 'kind', 'orderId', 'subject')(found)
      const facts = { title, request: `WebSocket ${path}`, expected: ['a frame', expect] as const }
      report(facts, { answer: 'pushed', seen, good: found !== undefined }, started)
    },
    close: () => socket.close(),
  }
}

const items = (body: Json) => (body.items ?? []) as Json[]
/** The members worth a reader's eye. */
const only =
  (...names: string[]) =>
  (body: Json) =>
    Object.fromEntries(names.filter((name) => name in body).map((name) => [name, body[name]]))
const orderFacts = only('id', 'amount', 'currency', 'status', 'failureReason')
const letterFacts = only('seq', 'kind', 'to', 'subject', 'body')
const problemFacts = only('status', 'code', 'detail')

const order = (user: string, amount: number, description: string) =>
  step(`Place an order over ${amount}: accepted at once, paid for afterwards`, user, 'POST /orders', {
    body: { amount, description },
    pick: orderFacts,
    status: 201,
    expect: { amount, status: 'pending', failureReason: null },
  })

const outcome = (user: string, id: unknown, status: 'paid' | 'failed', failureReason: string | null) =>
  step(`The order becomes ${status}`, user, `GET /orders/${id}`, {
    pick: orderFacts,
    status: 200,
    expect: { status, failureReason },
    wait: true,
  })

const balance = (user: string, title: string, expected: number, wait = false) =>
  step(title, user, 'GET /accounts/me', {
    pick: only('balance', 'currency'),
    status: 200,
    expect: { balance: expected },
    wait,
  })

const move = (user: string, title: string, kind: 'deposit' | 'withdrawal', amount: number, balanceAfter: number) =>
  step(title, user, `POST /accounts/me/${kind}s`, {
    body: { amount },
    pick: only('kind', 'amount', 'balanceAfter'),
    status: 201,
    expect: { kind, amount, balanceAfter },
  })

const letter = (user: string, title: string, orderId: unknown, kind: string, to: string) =>
  step(title, user, 'GET /notifications', {
    pick: (body) =>
      items(body)
        .filter((found) => found.orderId === orderId)
        .map(letterFacts)[0],
    status: 200,
    expect: { kind, to },
    wait: true,
  })

/** Assignment 1: an account, its money, orders and their payment. */
async function shopScenario(user: string) {
  await step('Open an account', user, 'POST /accounts', {
    pick: only('userId', 'balance', 'currency'),
    status: 201,
    expect: { userId: user, balance: 0 },
  })
  await step('A second account for the same user is refused', user, 'POST /accounts', {
    status: 409,
    expect: { code: 'account_exists' },
  })
  await move(user, 'Put money on the account', 'deposit', 500_000, 500_000)
  await balance(user, 'Look at the balance', 500_000)

  const hat = await order(user, 149_900, 'Sun hat, straw')
  const stream = await openStream(user)
  await stream.frame('Connect to the WebSocket: what comes after "ready" is live', { type: 'ready' })
  await outcome(user, hat.id, 'paid', null)
  await balance(user, 'The order was debited once', 350_100)

  const boat = await order(user, 350_101, 'Inflatable boat')
  await stream.frame('Its end is pushed', { type: 'notification', kind: 'order_failed', orderId: boat.id })
  stream.close()
  await outcome(user, boat.id, 'failed', 'insufficient_funds')
  await balance(user, 'It was 1 too expensive: the balance is unchanged', 350_100)

  await step('List the orders, newest first', user, 'GET /orders', {
    pick: (body) => ({ orders: items(body).map(only('id', 'amount', 'status')) }),
    status: 200,
    expect: {
      orders: [
        { id: boat.id, amount: 350_101, status: 'failed' },
        { id: hat.id, amount: 149_900, status: 'paid' },
      ],
    },
  })
  await step('Look at the status of one order', user, `GET /orders/${hat.id}`, {
    pick: orderFacts,
    status: 200,
    expect: { id: hat.id, status: 'paid' },
  })
}

/** Assignment 2: a registration opens the account; every order ends in a letter of joy or of sorrow. */
async function lettersScenario(user: string) {
  const email = `${user}@example.com`
  await step('Register a user', user, 'POST /users', {
    body: { name: 'Ada Lovelace', email },
    pick: only('id', 'name', 'email'),
    status: 201,
    expect: { id: user, email },
  })
  await balance(user, 'payments-service opened an account for the user', 0, true)
  await move(user, 'Put money on the account', 'deposit', 200_000, 200_000)
  await move(user, 'Take some of it back', 'withdrawal', 20_000, 180_000)

  const towel = await order(user, 79_900, 'Beach towel')
  await outcome(user, towel.id, 'paid', null)
  await balance(user, 'The money was debited', 100_100)
  await letter(user, 'A letter of joy was written', towel.id, 'order_paid', email)

  const yacht = await order(user, 90_000_000, 'Small yacht')
  await outcome(user, yacht.id, 'failed', 'insufficient_funds')
  await balance(user, 'The balance is unchanged', 100_100)
  await letter(user, 'A letter of sorrow was written', yacht.id, 'order_failed', email)

  await step('Send the user a message', user, 'POST /notifications', {
    body: { subject: 'About my order', body: 'Please wrap it as a gift.' },
    pick: letterFacts,
    status: 201,
    expect: { kind: 'message', to: email, subject: 'About my order' },
  })
}

const headline = (text: string, user: string) => console.log(`\n${paint(1, `━━ ${text}`)}  X-User-Id: ${user}`)
const run = randomUUID().slice(0, 8)
const shopper = `demo-${run}-shop`
const reader = `demo-${run}-letters`
try {
  console.log(`The system at ${baseUrl}; money in minor units (kopecks, cents).`)
  headline('Scenario 1: account, orders, payment', shopper)
  await shopScenario(shopper)
  headline('Scenario 2: registration, payment, letters', reader)
  await lettersScenario(reader)
  console.log(`\n${paint(32, `✓ all ${steps} steps as expected`)}`)
} catch (error) {
  if (!(error instanceof DemoFailed)) throw error
  console.error(`\n${paint(31, `✗ ${error.message}`)}`)
  process.exitCode = 1
}
