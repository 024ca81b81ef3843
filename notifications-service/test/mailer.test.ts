/** The mailer against a real SMTP server: in this process with its own store, and as three real instances. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, uuidv7 } from '@checkout/service/clock.ts'
import pino from 'pino'
import { SMTPServer } from 'smtp-server'
import t, { type Test } from 'tap'
import { eventually } from '../../test/support/eventually.ts'
import { createMailer } from '../src/mailer.ts'
import { openNotificationsStore } from '../src/store/index.ts'
import { writeMessage } from '../src/write-letter.ts'

const terms = { clock: systemClock, newId: uuidv7, mailing: true }

interface Mail {
  to: string
  text: string
}

/** A real SMTP server; `refuse` decides per recipient with which code and when the address is refused. */
async function startSmtp(test: Test, refuse: (to: string, attempt: number) => number | undefined = () => undefined) {
  const mails: Mail[] = []
  const attempts = new Map<string, number>()
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _session, done) {
      const attempt = (attempts.get(address) ?? 0) + 1
      attempts.set(address, attempt)
      const responseCode = refuse(address, attempt)
      done(responseCode === undefined ? null : Object.assign(new Error('refused'), { responseCode }))
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map((r) => r.address).join()
        mails.push({ to, text: Buffer.concat(chunks).toString() })
        done()
      })
    },
  })
  server.on('error', () => undefined) // clients that are killed
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  test.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`, mails, attempts }
}

function openFile(test: Test, dataDir = mkdtempSync(join(tmpdir(), 'mailer-'))) {
  const store = openNotificationsStore({ dataDir, clock: systemClock, newId: uuidv7 })
  test.teardown(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { store, dataDir }
}

type Store = ReturnType<typeof openNotificationsStore>

const writeTo = (store: Store, userId: string, email: string) =>
  store.write((tx) => {
    tx.contacts.add({ userId, name: 'Ada', email, createdAt: Date.now() })
    return writeMessage(tx, userId, { subject: 'Grüße', body: `to ${userId}\n.\nend` }, terms)
  })

/** A mailer in this process that holds the lease, run round by round. */
async function start(store: Store, smtpUrl: string, clock = systemClock) {
  await store.write((tx) => tx.lease.take(store.read.lease.current().counter))
  const logger = pino({ level: 'silent' })
  return createMailer({ smtpUrl, from: 'Shop <shop@shop.example>', store, clock, logger })
}
const signal = new AbortController().signal

t.test('a letter is mailed once, marked sent after the 250, with a stable Message-ID', async (test) => {
  const { store } = openFile(test)
  const smtp = await startSmtp(test)
  const letter = await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await mailer.round(signal)
  await mailer.round(signal)
  test.equal(smtp.mails.length, 1)
  test.equal(smtp.mails[0]?.to, 'ada@example.com')
  test.match(smtp.mails[0]?.text, `Message-ID: <${letter.id}@shop.example>`)
  const [stored] = store.read.letters.list('ada', 10, 1)
  test.equal(stored?.mail, 'sent')
  test.ok(stored?.sentAt)
})

t.test('a mailer with nothing to send commits nothing: a commit would wake it again, for ever', async (test) => {
  const { store } = openFile(test)
  const smtp = await startSmtp(test)
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  const { commits } = store.stats()
  test.equal(await mailer.round(signal), false)
  test.equal(store.stats().commits, commits)
})

t.test('a refusal for now is tried again later, a refusal for good ends in failed', async (test) => {
  const { store } = openFile(test)
  const smtp = await startSmtp(test, (to, attempt) => (to.startsWith('gone') ? 550 : attempt === 1 ? 451 : undefined))
  await writeTo(store, 'greylisted', 'greylisted@example.com')
  await writeTo(store, 'gone', 'gone@example.com')
  let now = Date.now()
  const mailer = await start(store, smtp.url, { ...systemClock, now: () => now })
  test.teardown(mailer.close)
  const mailOf = (userId: string) => store.read.letters.list(userId, 10, 1)[0]
  await mailer.round(signal)
  test.equal(mailOf('gone')?.mail, 'failed')
  test.equal(mailOf('greylisted')?.mail, 'queued', 'refused for now: still queued')
  await mailer.round(signal)
  test.equal(smtp.attempts.get('greylisted@example.com'), 1, 'not before its time')
  now += 60_000
  await mailer.round(signal)
  test.equal(mailOf('greylisted')?.mail, 'sent')
  test.equal(mailOf('greylisted')?.mailAttempts, 2)
  test.equal(smtp.attempts.get('gone@example.com'), 1, 'a hopeless address is not tried again')
})

t.test('a mail server that is down delays the letters and fails none', async (test) => {
  const { store } = openFile(test)
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, 'smtp://127.0.0.1:1')
  test.teardown(mailer.close)
  await mailer.round(signal)
  const [stored] = store.read.letters.list('ada', 10, 1)
  test.equal(stored?.mail, 'queued')
  test.equal(stored?.mailAttempts, 1)
})

t.test('an instance without the lease mails nothing', async (test) => {
  const { store } = openFile(test)
  const smtp = await startSmtp(test)
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await store.write((tx) => tx.lease.release())
  await test.rejects(mailer.round(signal), { message: /lease/ })
  test.equal(smtp.mails.length, 0)
})

t.test('what another holder has mailed just before is not mailed again', async (test) => {
  const { store } = openFile(test)
  const smtp = await startSmtp(test)
  const { seq } = await writeTo(store, 'ada', 'ada@example.com')
  let started = false
  const write: Store['write'] = async (work) => {
    if (started) await store.write((tx) => tx.letters.sent({ userId: 'ada', seq }, Date.now()))
    return store.write(work)
  }
  const mailer = await start({ ...store, write }, smtp.url)
  test.teardown(mailer.close)
  started = true
  await mailer.round(signal)
  test.equal(smtp.mails.length, 0)
})

t.test('the lease is lost while the mail server answers: the letter is marked sent all the same', async (test) => {
  const { store } = openFile(test)
  let taken: Promise<unknown> | undefined
  const smtp = await startSmtp(test, () => {
    taken = store.write((tx) => tx.lease.release())
    return undefined
  })
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await mailer.round(signal).catch((error) => test.match(error, /lease/)) // for the next letter
  await taken
  test.equal(store.read.letters.list('ada', 10, 1)[0]?.mail, 'sent')
  const next = await start(store, smtp.url)
  test.teardown(next.close)
  await next.round(signal)
  test.equal(smtp.mails.length, 1)
})

/** A mail server whose answer about the first recipient waits, and two stores on the file, as two instances have. */
async function twoMailers(test: Test, answer: (attempt: number) => number | undefined) {
  const { store, dataDir } = openFile(test)
  const { store: other } = openFile(test, dataDir)
  let asked = 0
  let goOn = () => {}
  const waiting = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    async onRcptTo(_address, _session, done) {
      const attempt = ++asked
      if (attempt === 1) await waiting
      const responseCode = answer(attempt)
      done(responseCode === undefined ? null : Object.assign(new Error('refused'), { responseCode }))
    },
    onData(stream, _session, done) {
      stream.resume()
      stream.on('end', () => {
        mails += 1
        done()
      })
    },
  })
  let mails = 0
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  test.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  test.teardown(() => goOn())
  const url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  await writeTo(store, 'ada', 'ada@example.com')
  const first = await start(store, url)
  const sending = first.round(signal).catch((error) => test.match(error, /lease/)) // for the next letter
  await eventually(() => asked === 1, { what: 'the first mailer is about to send' })
  return {
    /** The other instance takes the lease over: the holder could not renew it, and lives. */
    async takeOver(clock = systemClock) {
      const second = await start(other, url, clock)
      test.teardown(second.close)
      return second
    },
    async goOn() {
      goOn()
      await sending
      first.close()
    },
    mail: () => store.read.letters.list('ada', 10, 1)[0]?.mail,
    mails: () => mails,
  }
}

t.test(
  'the lease is lost while the server thinks about a letter: the next holder does not mail it too',
  async (test) => {
    const m = await twoMailers(test, () => undefined)
    const second = await m.takeOver()
    await second.round(signal)
    await m.goOn()
    await second.round(signal)
    test.equal(m.mails(), 1)
    test.equal(m.mail(), 'sent')
  },
)

t.test(
  '… and when that one gave the letter up, as after a long standstill: a mail that is out is sent',
  async (test) => {
    const m = await twoMailers(test, (attempt) => (attempt === 1 ? undefined : 550))
    const second = await m.takeOver({ ...systemClock, now: () => Date.now() + 3_600_000 })
    await second.round(signal)
    test.equal(m.mail(), 'failed')
    await m.goOn()
    test.equal(m.mails(), 1)
    test.equal(m.mail(), 'sent')
  },
)

t.test('three instances, one of them killed on the way: one mail per letter', { timeout: 200_000 }, async (test) => {
  const { store, dataDir } = openFile(test)
  const smtp = await startSmtp(test)
  const instances = new Map<string, ChildProcess>()
  test.teardown(() => {
    for (const child of instances.values()) child.kill('SIGKILL')
  })
  for (const k of [1, 2, 3]) {
    const child = spawn(process.execPath, ['notifications-service/src/server.ts'], {
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        INSTANCE: String(k),
        NOTIFICATIONS_PORT: String(20_000 + (process.pid % 20_000)),
        DATA_DIR: dataDir,
        NATS_URL: 'nats://127.0.0.1:1',
        SMTP_URL: smtp.url,
      },
    })
    instances.set(String(k), child)
  }
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`)
  for (const user of users.slice(0, 30)) await writeTo(store, user, `${user}@example.com`)
  await eventually(() => smtp.mails.length >= 30, { what: 'the first half is mailed', deadlineMs: 90_000 })

  // A quiet moment, so that the kill falls between two mails: a crash between 250 and commit may mail twice.
  instances.get('2')?.kill('SIGKILL')
  instances.delete('2')
  for (const user of users.slice(30)) await writeTo(store, user, `${user}@example.com`)
  const isSent = (user: string) => store.read.letters.list(user, 10, 1)[0]?.mail === 'sent'
  await eventually(() => users.every(isSent), { what: 'all are marked sent', deadlineMs: 90_000 })
  test.same(smtp.mails.map((mail) => mail.to).sort(), users.map((user) => `${user}@example.com`).sort())
})
