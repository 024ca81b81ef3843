/**
 * The load: C connections, each with one request in flight (a closed loop), posting orders for D seconds. Nothing is
 * read and nothing is polled meanwhile; of an answer only its status and the order's id are looked at.
 */
import { type Connection, openConnection, pause } from './http.ts'
import { type BenchUser, orderBodies } from './users.ts'

const PROGRESS_MS = 1_000
/** After an answer other than 201 a connection waits this long: a service that is full is not helped by hammering. */
const REFUSED_PAUSE_MS = 50
const ID_LENGTH = 36

export interface Load {
  accepted: number
  /** Answers other than 201, by status. */
  refused: Record<string, number>
  /** Requests without an answer: their orders may or may not exist. */
  unanswered: number
  /** Wall clock, ms since 1970, just before the first POST and just after the last answer. */
  firstPostAt: number
  lastAnswerAt: number
  /** How long each accepted POST took, ms. */
  postMs: number[]
  last: { user: BenchUser; id: string } | null
}

export interface LoadOptions {
  baseUrl: string
  users: readonly BenchUser[]
  connections: number
  seconds: number
  /** Orders per second to aim at, spread evenly over the connections; 0 = as many as get through. */
  rate?: number
  progress(accepted: number, seconds: number): void
}

/** Posts orders until `seconds` have passed and every request is answered. */
export async function postOrders({
  baseUrl,
  users,
  connections,
  seconds,
  rate = 0,
  progress,
}: LoadOptions): Promise<Load> {
  const clients = Array.from({ length: connections }, () => openConnection(baseUrl))
  const started = performance.now()
  const ends = started + seconds * 1_000
  const load: Load = {
    accepted: 0,
    refused: {},
    unanswered: 0,
    firstPostAt: Date.now(),
    lastAnswerAt: 0,
    postMs: [],
    last: null,
  }
  const ticker = setInterval(() => progress(load.accepted, (performance.now() - started) / 1_000), PROGRESS_MS)
  let sent = 0
  let due = 0

  const next = () => {
    const user = users[sent % users.length] as BenchUser
    // Each lap over the users starts elsewhere in the bodies, else one user would get all that cannot be afforded.
    const body = orderBodies[(sent + Math.floor(sent / users.length)) % orderBodies.length] as string
    sent += 1
    return { user, body }
  }
  const post = async (client: Connection) => {
    const { user, body } = next()
    const postedAt = performance.now()
    return new Promise<boolean>((resolve) => {
      client.post('/orders', user.headers, body, (error, answer) => {
        if (error) load.unanswered += 1
        else if (answer.status === 201) accept(load, user, orderId(answer.body), performance.now() - postedAt)
        else load.refused[answer.status] = (load.refused[answer.status] ?? 0) + 1
        resolve(!error && answer.status === 201)
      })
    })
  }
  const closedLoop = async (client: Connection) => {
    while (performance.now() < ends) {
      if (rate > 0) await until(started + (due++ / rate) * 1_000)
      if (!(await post(client))) await pause(REFUSED_PAUSE_MS)
    }
  }

  await Promise.all(clients.map(closedLoop))
  load.lastAnswerAt = Date.now()
  clearInterval(ticker)
  await Promise.all(clients.map((client) => client.close()))
  return load
}

function accept(load: Load, user: BenchUser, id: string, ms: number) {
  user.accepted.push(id)
  load.accepted += 1
  load.postMs.push(ms)
  load.last = { user, id }
}

/** The id of the order in the answer, which is the first `"id"` in it. Copied: a slice would keep the whole body alive. */
function orderId(body: string): string {
  const at = body.indexOf('"id":"')
  if (at < 0) throw new Error(`POST /orders answered 201 without an id: ${body.slice(0, 300)}`)
  return Buffer.from(body.slice(at + 6, at + 6 + ID_LENGTH)).toString()
}

async function until(time: number) {
  const ms = time - performance.now()
  if (ms > 1) await pause(ms)
}
