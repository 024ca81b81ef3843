/** The users of one bench run: registered, with an account and enough money on it. New ones each run. */
import { randomBytes } from 'node:crypto'
import { MAX_AMOUNT } from '@checkout/contracts/values.ts'
import { type Api, eachOf, pause, UnexpectedAnswer } from './http.ts'

/** Enough for hundreds of millions of the orders below. */
const DEPOSIT = MAX_AMOUNT / 10
/** More than any of these users has: such an order must fail. */
const UNAFFORDABLE = MAX_AMOUNT
/** One order of so many must fail, so that both ends of an order are measured and audited. */
const UNAFFORDABLE_EVERY = 50
const ACCOUNT_DEADLINE_MS = 60_000
const ACCOUNT_POLL_MS = 20

export interface BenchUser {
  id: string
  /** As undici wants them for POST /orders. */
  headers: string[]
  deposited: number
  /** Ids of the orders that got a 201, in the order of their answers. */
  accepted: string[]
  /** How many of `accepted` have been read back. */
  readBack: number
  newestOrder: string | null
  newestLetter: string | null
}

/** The bodies to post, in turn. */
export const orderBodies = Array.from({ length: UNAFFORDABLE_EVERY }, (_, i) =>
  JSON.stringify({ amount: i ? 100 + i : UNAFFORDABLE, description: `Bench order ${i}` }),
)

/** Whether an order of this amount must end as paid. */
export const isAffordable = (amount: number) => amount < UNAFFORDABLE

/** Registers `count` users, waits for their accounts and puts money on them. Throws when an account does not appear. */
export async function createUsers(api: Api, count: number, progress: (text: string) => void): Promise<BenchUser[]> {
  const run = randomBytes(4).toString('hex')
  const users = Array.from({ length: count }, (_, i) => newUser(`bench-${run}-${i}`))
  let registered = 0
  await eachOf(users, api.connections, async ({ id }) => {
    await api.post('/users', id, { name: `Bench ${id}`, email: `${id}@example.com` })
    registered += 1
    progress(`registering users: ${registered} of ${count}`)
  })
  let ready = 0
  await eachOf(users, api.connections, async (user) => {
    user.deposited += await fund(api, user.id)
    ready += 1
    progress(`opening accounts and topping them up: ${ready} of ${count}`)
  })
  return users
}

/** Waits for the account of a registered user and puts money on it; returns how much. Throws when no account appears. */
export async function fund(api: Api, user: string): Promise<number> {
  await accountOf(api, user)
  await api.post('/accounts/me/deposits', user, { amount: DEPOSIT }, `${user}-deposit`)
  return DEPOSIT
}

export const newUser = (id: string): BenchUser => ({
  id,
  headers: ['x-user-id', id, 'content-type', 'application/json'],
  deposited: 0,
  accepted: [],
  readBack: 0,
  newestOrder: null,
  newestLetter: null,
})

async function accountOf(api: Api, user: string) {
  const deadline = performance.now() + ACCOUNT_DEADLINE_MS
  for (;;) {
    try {
      return await api.get('/accounts/me', user)
    } catch (error) {
      if (!(error instanceof UnexpectedAnswer) || error.status !== 404) throw error
      if (performance.now() > deadline) {
        throw new Error(`no account for ${user} ${ACCOUNT_DEADLINE_MS / 1000} s after it registered: do events flow?`)
      }
      await pause(ACCOUNT_POLL_MS)
    }
  }
}
