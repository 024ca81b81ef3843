/**
 * The mailer: sends the queued letters by SMTP, in the instance that holds the lease.
 *
 * Mail cannot be sent exactly once: a crash between the server's 250 and the commit sends a letter again. It then has
 * the same Message-ID, by which mail programs and servers recognise it.
 */

import type { Platform } from '@checkout/kernel/platform.ts'
import type { DutyOptions } from '@checkout/messaging/duty.ts'
import type { Schedule } from '@checkout/messaging/messaging.ts'
import { createTransport } from 'nodemailer'
import type { Logger } from 'pino'
import type { LetterRow, NotificationsStore } from './store/port.ts'

const BATCH = 20
const RETRY_MS = { first: 1_000, longest: 15 * 60_000 }
/** Attempts that the server refused for now before a letter is given up: with the growing pauses more than a day. */
const MAX_ATTEMPTS = 110
const SMTP_TIMEOUT_MS = 10_000
const MAIL_EVERY_MS = 1_000
/**
 * Nobody else mails a letter for so long after one began to: a holder that loses the lease while the server takes its
 * time still has the letter on the way. After a crash it waits as long.
 */
const CLAIM_MS = 60_000
/** How long a stopping service waits for the mail server's answer. */
const STOP_WAIT_MS = 2_000

/** A duty, for the instance that holds the lease. */
export interface Mailer extends Pick<DutyOptions, 'name' | 'everyMs' | 'round'> {
  /** Sends what is due. Returns whether there may be more. */
  round(signal: AbortSignal): Promise<boolean>
  close(): void
}

export function createMailer(options: {
  smtpUrl: string
  from: string
  store: NotificationsStore
  schedule: Schedule
  platform: Platform
  logger: Logger
}): Mailer {
  const { smtpUrl, from, store, schedule, platform, logger } = options
  const transport = createTransport({
    url: smtpUrl,
    pool: true,
    maxConnections: 1, // letters go one after another
    connectionTimeout: SMTP_TIMEOUT_MS,
    greetingTimeout: SMTP_TIMEOUT_MS,
    socketTimeout: SMTP_TIMEOUT_MS,
  })
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'localhost'

  /** Sends one letter and records what became of it. */
  async function send(letter: LetterRow, signal: AbortSignal): Promise<void> {
    try {
      const sent = transport.sendMail({
        from,
        to: { name: '', address: letter.to ?? '' },
        subject: letter.subject,
        text: letter.body,
        messageId: `<${letter.id}@${domain}>`,
        date: new Date(letter.createdAt),
      })
      await Promise.race([sent, abandoned(signal, sent, platform)])
    } catch (error) {
      if (error instanceof Abandoned) return
      return fail(letter, error as SmtpError)
    }
    // Also by an instance that has lost the lease meanwhile: the mail is out, and nobody shall send it again.
    await store.write((tx) => tx.letters.sent(letter, platform.now()))
  }

  async function fail(letter: LetterRow, error: SmtpError): Promise<void> {
    const hopeless = isHopeless(error) || letter.mailAttempts + 1 >= MAX_ATTEMPTS
    const pause = Math.min(RETRY_MS.first * 2 ** letter.mailAttempts, RETRY_MS.longest)
    logger.warn({ reason: error.message, letter: letter.id, hopeless }, 'a letter was not mailed')
    const dueAt = (await schedule.now()) + pause
    await store.write(async (tx) => {
      await tx.lease.assertHeld()
      if (hopeless) await tx.letters.failed(letter)
      else await tx.letters.postponed(letter, dueAt)
    })
  }

  return {
    name: 'mailer',
    everyMs: MAIL_EVERY_MS,
    async round(signal) {
      for (let n = 0; n < BATCH; n += 1) {
        if (signal.aborted) return false
        // A commit wakes the mailer, also its own: with nothing to send it must not make one.
        const now = await schedule.now()
        const [letter] = await store.read.letters.dueMail(now, 1)
        if (!letter) return false
        // Under the lease: what another holder has mailed meanwhile, or is mailing, is not due any more.
        const claimed = await store.write(async (tx) => {
          await tx.lease.assertHeld()
          return await tx.letters.claim(letter, now, now + CLAIM_MS)
        })
        if (claimed) await send(letter, signal)
      }
      return true
    },
    close: () => transport.close(),
  }
}

/** The service is stopping and the server does not answer: the letter stays queued, as after a crash. */
class Abandoned extends Error {}

/** Rejects some time after the signal, unless the mail is sent or refused before. */
function abandoned(signal: AbortSignal, sent: Promise<unknown>, { setTimeout }: Platform): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => setTimeout(() => reject(new Abandoned()), STOP_WAIT_MS).unref()
    // Already: while the letter was read or claimed.
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp)
    const done = () => signal.removeEventListener('abort', giveUp)
    sent.then(done, done)
  })
}

type SmtpError = Error & { responseCode?: number; code?: string }

/** The server says never (5xx, RFC 5321 §4.2.1) about this letter, or there is no address that it could be sent to. */
const isHopeless = ({ responseCode, code }: SmtpError): boolean =>
  code === 'EENVELOPE'
    ? responseCode === undefined || responseCode >= 500
    : code === 'EMESSAGE' && (responseCode ?? 0) >= 500
