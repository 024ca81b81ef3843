/**
 * The claim to a service's work at a broker. Marks tell two systems apart, but not two live copies of one: a restored or
 * copied DATA_DIR beside the original has the same system id. Both would take from the same durables, and each would take
 * the other's stream for a lost one. So before an instance uses the broker, after each connect, it asks on the subject of
 * its service who else is there.
 *
 * Instances on one file are one claim. They know each other by a nonce: the asker commits a new one to its file before it
 * asks, and whoever finds it in its own file has the same file; a copy, made before, cannot have it. Of two claims the one
 * that was cleared first goes on; of two that are not cleared yet, one. The other is refused until it is started again:
 * it never publishes, pulls or mends anything.
 *
 * Only the one who hears the question judges, so of two that reach each other at least one gives way, whatever crosses
 * on the way: both may be refused, never both cleared. Cleared ones go on asking, for two that could not reach each other.
 */
import type { Platform } from '@checkout/kernel/platform.ts'
import type { Migration, Session } from '@checkout/store/engine.ts'
import type { Store } from '@checkout/store/port.ts'
import { nextId, queries } from '@checkout/store/queries.ts'
import { eq, lte, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ClaimReads, ClaimWrites } from './port.ts'

/**
 * So long an answer is waited for when somebody listens. When nobody does, the server says so at once; and a live instance
 * answers in milliseconds. What is left is one that stands still, or whose machine is gone and whose connection is not yet.
 */
const PATIENCE_MS = 1_000
/** How often a cleared instance asks. */
const ASK_EVERY_MS = 2_000
/** Until a nonce that the file would not take is tried again. */
const RETRY_MS = 250
/** Nonces kept in a file: far more than can be on the way. */
const NONCES = 1_000

export const claimMigrations: readonly Migration[] = [
  {
    name: 'claim/1',
    sql: `
      CREATE TABLE claim_nonces (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        nonce TEXT NOT NULL UNIQUE
      ) STRICT;`,
  },
]

export const claimNonces = sqliteTable('claim_nonces', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  nonce: text('nonce').notNull().unique(),
})

export function claimWrites(writer: Session): ClaimWrites {
  const db = queries(writer)
  const insert = db
    .insert(claimNonces)
    .values({ id: nextId('claim_nonces'), nonce: sql.placeholder('nonce') })
    .returning({ id: claimNonces.id })
    .prepare()
  const prune = db
    .delete(claimNonces)
    .where(lte(claimNonces.id, sql.placeholder('upTo')))
    .prepare()
  return {
    async note(nonce) {
      const noted = await insert.get({ nonce })
      await prune.run({ upTo: (noted?.id ?? 0) - NONCES })
    },
  }
}

export function claimReads(reader: Session): ClaimReads {
  const find = queries(reader)
    .select({ id: claimNonces.id })
    .from(claimNonces)
    .where(eq(claimNonces.nonce, sql.placeholder('nonce')))
    .prepare()
  return { noted: async (nonce) => (await find.get({ nonce })) !== undefined }
}

/** What the claim needs from the service's file; every store with the messaging's tables is one. */
export type ClaimStore = Pick<Store<{ claim: ClaimWrites }, { readonly claim: ClaimReads }>, 'write' | 'read'>

const Asker = { from: Type.String(), systemId: Type.String(), where: Type.String() }
const Question = Type.Object({
  ...Asker,
  nonce: Type.String(),
  /** How long it has been cleared, ms; null = not yet. */
  clearedMs: Type.Union([Type.Number(), Type.Null()]),
  /** Whether it waits for the answer. */
  waits: Type.Boolean(),
})
const Answer = Type.Object({
  ...Asker,
  to: Type.String(),
  /** theirs: it has the same file and is cleared, so the asker is too. mine: the asker is refused. */
  verdict: Type.Union([Type.Literal('theirs'), Type.Literal('mine')]),
})
type Question = Type.Static<typeof Question>
type Answer = Type.Static<typeof Answer>
const isQuestion = Compile(Question)
const isAnswer = Compile(Answer)

export interface Claim {
  /**
   * Asks who else is there. True: this instance may use the broker. False: it is refused, or the connection was lost
   * meanwhile. The subject must be listened to already.
   */
  ask(): Promise<boolean>
  /** A message on the subject, from another connection. */
  hear(text: string): void
  /** The server's answer to a question when nobody else listens on the subject. */
  nobodyListens(): void
  /** The connection was lost, or is closed: a question that is under way is not answered any more. */
  lost(): void
  close(): void
}

export interface ClaimOptions {
  systemId: string
  /** What people find this instance by, such as `orders-service-1, process 12 on host a`. */
  where: string
  store: ClaimStore
  platform: Platform
  /** Says a text to all others on the subject; with `replies`, the server tells when there are none. */
  say: (text: string, replies: boolean) => void
  /** Called once, with a line for people, when this instance is refused for good, also while it works. */
  onRefused: (line: string) => void
}

export function createClaim({ systemId, where, store, platform, say, onRefused }: ClaimOptions): Claim {
  const me = { from: platform.newId(), systemId, where }
  let nonce = ''
  /** Refused, or closed: it says and hears nothing any more. */
  let over = false
  let clearedAt: number | undefined
  /** Settles the question that is under way. */
  let settle: ((cleared: boolean) => void) | undefined
  /** Grows with each question and loss, so that an older one does not go on. */
  let round = 0

  const clearedMs = () => (clearedAt === undefined ? null : platform.monotonic() - clearedAt)
  const question = (waits: boolean) =>
    JSON.stringify({ ...me, nonce, clearedMs: clearedMs(), waits } satisfies Question)
  const answer = (to: string, verdict: Answer['verdict']) =>
    say(JSON.stringify({ ...me, to, verdict } satisfies Answer), false)

  async function note(): Promise<void> {
    const fresh = platform.newId()
    await store.write((tx) => tx.claim.note(fresh))
    nonce = fresh
  }

  async function ask(): Promise<boolean> {
    round += 1
    const mine = round
    const outdated = () => over || mine !== round
    settle?.(false)
    while (!outdated()) {
      try {
        await note()
        break
      } catch {
        // Locked or full: it could not record any work either.
        await platform.sleep(RETRY_MS)
      }
    }
    if (outdated()) return false
    return new Promise<boolean>((resolve) => {
      const patience = platform.setTimeout(() => settle?.(true), PATIENCE_MS)
      settle = (cleared) => {
        platform.clearTimeout(patience)
        settle = undefined
        if (cleared) clearedAt ??= platform.monotonic()
        resolve(cleared)
      }
      say(question(true), true)
    })
  }

  function refuse(by: Question | Answer): void {
    over = true
    settle?.(false)
    const who =
      by.systemId === systemId
        ? `a copy of this system's data (system ${systemId}; ${by.where})`
        : `the system ${by.systemId} (${by.where}; this is ${systemId})`
    onRefused(`${who} is at work at this broker. ${WHAT_TO_DO}`)
  }

  /** Of two claims: whether this one goes on, cleared for `ours` when it heard the other's question. */
  function outranks(other: Question, ours: number): boolean {
    const theirs = other.clearedMs ?? -1
    if (ours !== theirs) return ours > theirs
    return `${me.systemId} ${me.from}` < `${other.systemId} ${other.from}`
  }

  async function judge(other: Question): Promise<void> {
    // As it is now: two that were cleared at the same time would both count the time that their files take.
    const ours = clearedMs() ?? -1
    const isOurs = other.systemId === systemId && (await store.read.claim.noted(other.nonce))
    if (over) return
    if (isOurs) {
      if (other.waits && clearedAt !== undefined) answer(other.from, 'theirs')
    } else if (outranks(other, ours)) answer(other.from, 'mine')
    else refuse(other)
  }

  async function askAgain(): Promise<void> {
    if (over || settle || clearedAt === undefined) return
    // One of a busy file may have been forgotten: others would take this instance for a stranger.
    if (!(await store.read.claim.noted(nonce))) await note()
    else if (!over) say(question(false), false)
  }

  // Not while the file cannot be read or written.
  const asking = platform.setInterval(() => void askAgain().catch(() => undefined), ASK_EVERY_MS)

  return {
    ask,
    hear(text) {
      if (over) return
      const message = parse(text)
      // While the file cannot be read: the asker waits, and asks again later.
      if (isQuestion.Check(message)) judge(message).catch(() => undefined)
      else if (isAnswer.Check(message) && message.to === me.from) {
        if (message.verdict === 'mine') refuse(message)
        else settle?.(true)
      }
    },
    nobodyListens: () => settle?.(true),
    lost() {
      round += 1
      settle?.(false)
    },
    close() {
      over = true
      platform.clearTimeout(asking)
      settle?.(false)
    },
  }
}

/** The end of each line that says why a broker is not used. */
export const WHAT_TO_DO =
  'Give this one a broker of its own: leave NATS_URL unset for make run, or set it to another broker or NATS account.'

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
