/** 64 clients at one account, over two instances of each service: every answer is explained by the ledger. */
import { randomUUID } from 'node:crypto'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed, seededRandom } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { type Claims, newClaims } from '../support/audit.ts'
import { dataDirOf, type EntryRecord, query } from '../support/books.ts'
import { assertAudit, metric, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const CLIENTS = 64
const REQUESTS_EACH = 20
const USER = 'racer'
/** created_at is in whole milliseconds. */
const CLOCK_GRAIN_MS = 1

interface Refusal {
  amount: number
  /** The answer was decided between these, ms since 1970. */
  from: number
  to: number
}

t.test('a race for one account', async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withSystem(t, { instances: 2 }, async (system) => {
    const claims = newClaims()
    const api = client(system.url, USER)
    t.equal((await api('POST', '/users', { name: 'Racer', email: 'racer@example.com' })).status, 201)
    claims.users.set(USER, 'racer@example.com')
    await eventually(async () => (await api('GET', '/accounts/me')).status === 200, { what: 'the account' })

    const refusals = await race(t, system, claims, seed)
    await untilSettled(t, system, 'the race')
    assertAudit(t, system, claims)
    explainRefusals(t, system, refusals)
    await everyInstanceWorked(t, system)
    assertNoErrors(t, system)
  })
})

/** Small deposits against larger withdrawals and orders: the balance is often too small. Returns what was refused. */
async function race(t: Test, system: System, claims: Claims, seed: number): Promise<Refusal[]> {
  const refusals: Refusal[] = []
  const random = seededRandom(seed)
  const counts: Record<string, number> = {}
  async function one() {
    const choice = random()
    const amount = 1 + Math.floor(random() * 1_000)
    const kind = choice < 0.4 ? 'deposit' : choice < 0.7 ? 'withdrawal' : 'order'
    const description = `raced ${randomUUID()}`
    const path = kind === 'order' ? '/orders' : `/accounts/me/${kind}s`
    const from = Date.now()
    const answer = await client(system.url, USER)('POST', path, kind === 'order' ? { amount, description } : { amount })
    const outcome = `${kind} ${answer.status} ${answer.body.code ?? ''}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
    if (answer.status === 201 && kind === 'order')
      claims.orders.set(answer.body.id, { userId: USER, amount, description })
    else if (answer.status === 201) claims.moves.set(answer.body.id, { userId: USER, ...answer.body })
    else if (kind === 'withdrawal' && answer.body.code === 'insufficient_funds') {
      refusals.push({ amount, from, to: Date.now() })
    } else t.fail(`unexpected: ${outcome}`)
  }
  const clients = Array.from({ length: CLIENTS }, async () => {
    for (let i = 0; i < REQUESTS_EACH; i++) await one()
  })
  await Promise.all(clients)
  t.comment(JSON.stringify(counts))
  t.ok(refusals.length > 0, `the balance was too small ${refusals.length} times`)
  return refusals
}

/** Every refusal and every decline: at that time the ledger shows a balance below the amount. */
function explainRefusals(t: Test, system: System, refusals: readonly Refusal[]) {
  const dataDir = dataDirOf(system)
  const entries = query<EntryRecord>(dataDir, 'payments', 'SELECT * FROM transactions ORDER BY number')
  const declined = query<{ amount: number; decided_at: number }>(
    dataDir,
    'payments',
    "SELECT amount, decided_at FROM decisions WHERE outcome = 'declined'",
  ).map(({ amount, decided_at: at }) => ({ amount, from: at, to: at }))
  t.ok(declined.length > 0, `${declined.length} orders were declined`)
  const balances = [
    { balance: 0, since: 0, until: entries[0]?.created_at ?? Number.POSITIVE_INFINITY },
    ...entries.map(({ balance_after: balance, created_at: since }, i) => ({
      balance,
      since,
      until: entries[i + 1]?.created_at ?? Number.POSITIVE_INFINITY,
    })),
  ]
  const unexplained = [...refusals, ...declined].filter(
    ({ amount, from, to }) =>
      !balances.some(
        ({ balance, since, until }) =>
          balance < amount && since <= to + CLOCK_GRAIN_MS && until >= from - CLOCK_GRAIN_MS,
      ),
  )
  t.strictSame(unexplained, [], 'every refusal is explained by the balance at its time')
}

async function everyInstanceWorked(t: Test, system: System) {
  for (const k of [1, 2]) {
    for (const service of ['orders', 'payments'] as const) {
      const posts = await metric(system, service, k, 'http_request_duration_seconds_count', /method="POST"/)
      t.ok(posts > 0, `${service} ${k} answered ${posts} POSTs`)
    }
    for (const service of ['orders', 'payments', 'notifications'] as const) {
      const handled = await metric(system, service, k, 'events_handled_total', /result="handled"/)
      t.ok(handled > 0, `${service} ${k} handled ${handled} events`)
    }
  }
  await client(system.url, USER)('GET', '/notifications')
  await client(system.url, USER)('GET', '/notifications')
  for (const k of [1, 2]) {
    const gets = await metric(system, 'notifications', k, 'http_request_duration_seconds_count', /method="GET"/)
    t.ok(gets > 0, `notifications ${k} answered ${gets} GETs`)
  }
}
