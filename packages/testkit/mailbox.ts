/** A real SMTP server that keeps what it is given. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'

export interface Mail {
  /** Several separated by commas. */
  readonly to: string
  readonly messageId: string
  readonly text: string
  /** The sender's port: an instance has one connection at a time. */
  readonly from: number
}

export interface MailboxOptions {
  /** Asked per recipient: the code to refuse it with, or nothing. `attempt`: how often this address was tried, from 1. */
  refuse?: (address: string, attempt: number) => number | undefined | Promise<number | undefined>
  /** Called for each mail before the server says that it has it. */
  onMail?: (mail: Mail) => void
}

/** Open until the test has ended. */
export async function startMailbox(t: Test, { refuse, onMail }: MailboxOptions = {}) {
  const mails: Mail[] = []
  const attempts = new Map<string, number>()
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    async onRcptTo({ address }, _session, done) {
      const attempt = (attempts.get(address) ?? 0) + 1
      attempts.set(address, attempt)
      const responseCode = await refuse?.(address, attempt)
      done(responseCode === undefined ? null : Object.assign(new Error('refused'), { responseCode }))
    },
    onData(stream, { envelope, remotePort }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const messageId = /^Message-ID: <([^@>]+)@/im.exec(text)?.[1] ?? ''
        const mail = { to: envelope.rcptTo.map(({ address }) => address).join(), messageId, text, from: remotePort }
        mails.push(mail)
        onMail?.(mail)
        done()
      })
    },
  })
  server.on('error', () => undefined) // clients that are killed
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`, mails, attempts }
}
