import { ageNow } from '@checkout/service/age.ts'
import { queries } from '@checkout/service/queries.ts'
import type { Connection } from '@checkout/service/sqlite.ts'
import { and, asc, desc, eq, gt, lt, lte, sql } from 'drizzle-orm'
import { addressing, type LetterRow, letters, mailboxes } from './tables.ts'

const p = sql.placeholder

export type NewLetterRow = Omit<LetterRow, 'seq' | 'mailAttempts' | 'mailDueAt' | 'sentAt' | 'outcomeOf'>

export function letterWrites(writer: Connection) {
  const db = queries(writer)
  const outcome = db
    .select({ userId: letters.userId, kind: letters.kind, causeEventId: letters.causeEventId })
    .from(letters)
    .where(eq(letters.outcomeOf, p('orderId')))
    .prepare()
  const nextSeq = db
    .insert(mailboxes)
    .values({ userId: p('userId'), lastSeq: 1 })
    .onConflictDoUpdate({ target: mailboxes.userId, set: { lastSeq: sql`${mailboxes.lastSeq} + 1` } })
    .returning({ seq: mailboxes.lastSeq })
    .prepare()
  const insert = db
    .insert(letters)
    .values({
      userId: p('userId'),
      seq: p('seq'),
      id: p('id'),
      kind: p('kind'),
      orderId: p('orderId'),
      to: p('to'),
      subject: p('subject'),
      body: p('body'),
      mail: p('mail'),
      mailDueAt: ageNow('schedule'), // at once
      createdAt: p('createdAt'),
      causeEventId: p('causeEventId'),
      causeSeq: p('causeSeq'),
      causeDeliveries: p('causeDeliveries'),
      causeReceivedAt: p('causeReceivedAt'),
      outcomeOf: p('outcomeOf'),
    })
    .prepare()
  // By its index: SQLite would look through all letters of the user.
  const address = db
    .update(letters)
    .set({ to: sql`${p('to')}`, mail: sql`${p('mail')}`, mailDueAt: ageNow('schedule') })
    .where(
      sql`(${letters.userId}, ${letters.seq}) IN (
        SELECT user_id, seq FROM letters INDEXED BY letters_without_address
        WHERE user_id = ${p('userId')} AND to_address IS NULL LIMIT ${p('limit')})`,
    )
    .prepare()
  const postpone = db
    .insert(addressing)
    .values({ userId: p('userId') })
    .onConflictDoNothing()
    .prepare()
  const next = db.select().from(addressing).orderBy(asc(addressing.userId)).limit(1).prepare()
  const addressed = db
    .delete(addressing)
    .where(eq(addressing.userId, p('userId')))
    .prepare()
  const key = and(eq(letters.userId, p('userId')), eq(letters.seq, p('seq')), sql`${letters.mail} = 'queued'`)
  const claim = db
    .update(letters)
    .set({ mailDueAt: sql`${p('until')}` })
    .where(and(key, lte(letters.mailDueAt, p('now'))))
    .prepare()
  const sent = db
    .update(letters)
    .set({ mail: sql`'sent'`, sentAt: sql`${p('sentAt')}`, mailAttempts: sql`${letters.mailAttempts} + 1` })
    .where(
      and(eq(letters.userId, p('userId')), eq(letters.seq, p('seq')), sql`${letters.mail} IN ('queued', 'failed')`),
    )
    .prepare()
  const postponed = db
    .update(letters)
    .set({ mailDueAt: sql`${p('mailDueAt')}`, mailAttempts: sql`${letters.mailAttempts} + 1` })
    .where(key)
    .prepare()
  const failed = db
    .update(letters)
    .set({ mail: sql`'failed'`, mailAttempts: sql`${letters.mailAttempts} + 1` })
    .where(key)
    .prepare()
  return {
    /** The letter that tells how this order ended, if it was written before. */
    outcome: (orderId: string): Pick<LetterRow, 'userId' | 'kind' | 'causeEventId'> | undefined =>
      outcome.get({ orderId }),
    /** Writes the letter under the user's next number; returns that. */
    add(letter: NewLetterRow): number {
      const { seq } = nextSeq.get({ userId: letter.userId })
      insert.run({ ...letter, seq, outcomeOf: letter.kind === 'message' ? null : letter.orderId })
      return seq
    },
    /**
     * Fills in the address of up to `limit` letters that were written before it was known, oldest first, and notes the
     * user for `nextToAddress` as long as there may be more. Returns how many.
     */
    address(letter: { userId: string; to: string; mail: string }, limit: number): number {
      const { userId } = letter
      const filled = address.run({ ...letter, limit }).changes
      if (filled === limit) postpone.run({ userId })
      else addressed.run({ userId })
      return filled
    },
    /** A user some of whose letters may still lack the known address. */
    nextToAddress: (): string | undefined => next.get()?.userId,
    /** Keeps a due letter from being mailed by anybody else until then. False when it is not due any more. */
    claim: (letter: LetterKey, now: number, until: number): boolean =>
      claim.run({ ...keyOf(letter), now, until }).changes === 1,
    /** Also one that another holder of the lease has given up meanwhile: the mail is out. */
    sent: (letter: LetterKey, sentAt: number): void => void sent.run({ ...keyOf(letter), sentAt }),
    postponed: (letter: LetterKey, mailDueAt: number): void => void postponed.run({ ...keyOf(letter), mailDueAt }),
    failed: (letter: LetterKey): void => void failed.run(keyOf(letter)),
  }
}

export type LetterKey = Pick<LetterRow, 'userId' | 'seq'>
const keyOf = ({ userId, seq }: LetterKey): LetterKey => ({ userId, seq })

export function letterReads(reader: Connection) {
  const db = queries(reader)
  const list = db
    .select()
    .from(letters)
    .where(and(eq(letters.userId, p('userId')), lt(letters.seq, p('before'))))
    .orderBy(desc(letters.seq))
    .limit(p('limit'))
    .prepare()
  const after = db
    .select()
    .from(letters)
    .where(and(eq(letters.userId, p('userId')), gt(letters.seq, p('seq'))))
    .orderBy(asc(letters.seq))
    .limit(p('limit'))
    .prepare()
  const lastSeq = db
    .select({ seq: mailboxes.lastSeq })
    .from(mailboxes)
    .where(eq(mailboxes.userId, p('userId')))
    .prepare()
  const about = db
    .select()
    .from(letters)
    // The + keeps SQLite from looking for the order among all letters of the user.
    .where(and(eq(letters.orderId, p('orderId')), sql`+${letters.userId} = ${p('userId')}`))
    .prepare()
  const nextMail = db
    .select({ dueAt: letters.mailDueAt })
    .from(letters)
    .where(sql`${letters.mail} = 'queued' AND ${letters.mailDueAt} >= 0`)
    .orderBy(asc(letters.mailDueAt))
    .limit(1)
    .prepare()
  const anyAddressing = db.select().from(addressing).limit(1).prepare()
  const due = db
    .select()
    .from(letters)
    .where(and(sql`${letters.mail} = 'queued'`, lte(letters.mailDueAt, p('now'))))
    .orderBy(asc(letters.mailDueAt))
    .limit(p('limit'))
    .prepare()
  return {
    /** Newest first, before the number `before`. */
    list: (userId: string, before: number, limit: number): LetterRow[] => list.all({ userId, before, limit }),
    /** Oldest first, after the number `seq`. */
    after: (userId: string, seq: number, limit: number): LetterRow[] => after.all({ userId, seq, limit }),
    /** The number of the user's newest letter; 0 when there is none. */
    lastSeq: (userId: string): number => lastSeq.get({ userId })?.seq ?? 0,
    /** The letter about an order if it is this user's. */
    about: (orderId: string, userId: string): LetterRow | undefined => about.get({ orderId, userId }),
    /** Whether some letters still lack their user's known address. */
    addressing: (): boolean => anyAddressing.get() !== undefined,
    /** At which age of the file the first queued letter is to be mailed; undefined when none is queued. */
    nextMailAt: (): number | undefined => nextMail.get()?.dueAt,
    /** Letters to be mailed at this age of the file, longest waiting first. */
    dueMail: (now: number, limit: number): LetterRow[] => due.all({ now, limit }),
  }
}
