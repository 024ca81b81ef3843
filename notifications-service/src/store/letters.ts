import { ageNow } from '@checkout/store/age.ts'
import type { Session } from '@checkout/store/engine.ts'
import { conflictOn, onlyOn, queries } from '@checkout/store/queries.ts'
import { and, asc, desc, eq, gt, lt, lte, sql } from 'drizzle-orm'
import type { LetterKey, LetterReads, LetterWrites } from './port.ts'
import { addressing, letters, mailboxes } from './tables.ts'

const p = sql.placeholder

export function letterWrites(writer: Session): LetterWrites {
  const db = queries(writer)
  const outcome = db
    .select({ userId: letters.userId, kind: letters.kind, causeEventId: letters.causeEventId })
    .from(letters)
    .where(eq(letters.outcomeOf, p('orderId')))
    .prepare()
  const nextSeq = db
    .insert(mailboxes)
    .values({ userId: p('userId'), lastSeq: 1 })
    .onConflictDoUpdate({ target: conflictOn(mailboxes.userId), set: { lastSeq: sql`${mailboxes.lastSeq} + 1` } })
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
        SELECT user_id, seq FROM letters ${onlyOn('sqlite', writer, 'INDEXED BY letters_without_address')}
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
    outcome: async (orderId) => outcome.get({ orderId }),
    async add(letter) {
      const mailbox = await nextSeq.get({ userId: letter.userId })
      if (!mailbox) throw new Error('a mailbox without a number')
      const { seq } = mailbox
      await insert.run({ ...letter, seq, outcomeOf: letter.kind === 'message' ? null : letter.orderId })
      return seq
    },
    async address(letter, limit) {
      const { userId } = letter
      const filled = (await address.run({ ...letter, limit })).changes
      if (filled === limit) await postpone.run({ userId })
      else await addressed.run({ userId })
      return filled
    },
    nextToAddress: async () => (await next.get())?.userId,
    claim: async (letter, now, until) => (await claim.run({ ...keyOf(letter), now, until })).changes === 1,
    sent: async (letter, sentAt) => void (await sent.run({ ...keyOf(letter), sentAt })),
    postponed: async (letter, mailDueAt) => void (await postponed.run({ ...keyOf(letter), mailDueAt })),
    failed: async (letter) => void (await failed.run(keyOf(letter))),
  }
}

const keyOf = ({ userId, seq }: LetterKey): LetterKey => ({ userId, seq })

export function letterReads(reader: Session): LetterReads {
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
    .where(
      and(eq(letters.orderId, p('orderId')), sql`${onlyOn('sqlite', reader, '+')}${letters.userId} = ${p('userId')}`),
    )
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
    list: async (userId, before, limit) => list.all({ userId, before, limit }),
    after: async (userId, seq, limit) => after.all({ userId, seq, limit }),
    lastSeq: async (userId) => (await lastSeq.get({ userId }))?.seq ?? 0,
    about: async (orderId, userId) => about.get({ orderId, userId }),
    addressing: async () => (await anyAddressing.get()) !== undefined,
    nextMailAt: async () => (await nextMail.get())?.dueAt,
    dueMail: async (now, limit) => due.all({ now, limit }),
  }
}
