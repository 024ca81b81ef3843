/** The mailer against a real SMTP server: in this process with its own store, and as three real instances. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Schedule } from '@checkout/messaging/messaging.ts'
import { reservePorts } from '@checkout/processes/ports.ts'
import { eventually } from '@checkout/testkit/eventually.ts'
import { type Mail, startMailbox } from '@checkout/testkit/mailbox.ts'
import Database from 'better-sqlite3'
import pino from 'pino'
import t, { type Test } from 'tap'
import { createMailer } from '../src/mailer.ts'
import { openNotificationsStore } from '../src/store/index.ts'
import type { LetterReads } from '../src/store/port.ts'
import { writeMessage } from '../src/write-letter.ts'

const machine = createPlatform()

const terms = { platform: machine, mailing: true }

function openFile(test: Test, dataDir = mkdtempSync(join(tmpdir(), 'mailer-'))) {
  const store = openNotificationsStore({ dataDir, platform: machine })
  test.teardown(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { store, dataDir }
}

type Store = ReturnType<typeof openNotificationsStore>

const writeTo = (store: Store, userId: string, email: string) =>
  store.write(async (tx) => {
    await tx.contacts.add({ userId, name: 'Ada', email, createdAt: Date.now() })
    return writeMessage(tx, userId, { subject: 'Grüße', body: `to ${userId}\n.\nend` }, terms)
  })

/** A mailer in this process that holds the lease, run round by round. */
async function start(
  store: Store,
  smtpUrl: string,
  { schedule = { now: async () => 0 }, platform = machine }: { schedule?: Schedule; platform?: Platform } = {},
) {
  const { counter } = await store.read.lease.current()
  await store.write((tx) => tx.lease.take(counter))
  const logger = pino({ level: 'silent' })
  return createMailer({ smtpUrl, from: 'Shop <shop@shop.example>', store, schedule, platform, logger })
}
const signal = new AbortController().signal

t.test('a letter is mailed once, marked sent after the 250, with a stable Message-ID', async (test) => {
  const { store } = openFile(test)
  const smtp = await startMailbox(test)
  const letter = await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await mailer.round(signal)
  await mailer.round(signal)
  test.equal(smtp.mails.length, 1)
  test.equal(smtp.mails[0]?.to, 'ada@example.com')
  test.match(smtp.mails[0]?.text, `Message-ID: <${letter.id}@shop.example>`)
  const [stored] = await store.read.letters.list('ada', 10, 1)
  test.equal(stored?.mail, 'sent')
  test.ok(stored?.sentAt)
})

t.test('a mailer with nothing to send commits nothing: a commit would wake it again, for ever', async (test) => {
  const { store } = openFile(test)
  const smtp = await startMailbox(test)
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  const { commits } = store.stats()
  test.equal(await mailer.round(signal), false)
  test.equal(store.stats().commits, commits)
})

t.test('a refusal for now is tried again later, a refusal for good ends in failed', async (test) => {
  const { store } = openFile(test)
  const smtp = await startMailbox(test, {
    refuse: (to, attempt) => (to.startsWith('gone') ? 550 : attempt === 1 ? 451 : undefined),
  })
  await writeTo(store, 'greylisted', 'greylisted@example.com')
  await writeTo(store, 'gone', 'gone@example.com')
  let age = 0
  let stepped = 0
  const platform = { ...machine, now: () => Date.now() + stepped }
  const mailer = await start(store, smtp.url, { schedule: { now: async () => age }, platform })
  test.teardown(mailer.close)
  const mailOf = async (userId: string) => (await store.read.letters.list(userId, 10, 1))[0]
  await mailer.round(signal)
  test.equal((await mailOf('gone'))?.mail, 'failed')
  test.equal((await mailOf('greylisted'))?.mail, 'queued', 'refused for now: still queued')
  for (const hours of [26, -26, 1, -1]) {
    stepped = hours * 3_600_000
    await mailer.round(signal)
    test.equal(smtp.attempts.get('greylisted@example.com'), 1, 'not before its time, whatever the wall clock says')
  }
  age += 999
  await mailer.round(signal)
  test.equal(smtp.attempts.get('greylisted@example.com'), 1, 'not before its time')
  age += 1
  await mailer.round(signal)
  test.equal((await mailOf('greylisted'))?.mail, 'sent')
  test.equal((await mailOf('greylisted'))?.mailAttempts, 2)
  test.equal(smtp.attempts.get('gone@example.com'), 1, 'a hopeless address is not tried again')
})

t.test('a mail server that is down delays the letters and fails none', async (test) => {
  const { store } = openFile(test)
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, 'smtp://127.0.0.1:1')
  test.teardown(mailer.close)
  await mailer.round(signal)
  const [stored] = await store.read.letters.list('ada', 10, 1)
  test.equal(stored?.mail, 'queued')
  test.equal(stored?.mailAttempts, 1)
})

t.test('a stop while the next letter is read: the mail server is not waited for, the letter stays', async (test) => {
  const { store } = openFile(test)
  await writeTo(store, 'ada', 'ada@example.com')
  const silent = createServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  test.teardown(() => silent.close())
  const stopping = new AbortController()
  const dueMail: LetterReads['dueMail'] = async (...of) => {
    const letters = await store.read.letters.dueMail(...of)
    stopping.abort()
    return letters
  }
  const read = { ...store.read, letters: { ...store.read.letters, dueMail } }
  const mailer = await start({ ...store, read }, `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  test.teardown(mailer.close)
  await mailer.round(stopping.signal)
  const [stored] = await store.read.letters.list('ada', 10, 1)
  test.match(stored, { mail: 'queued', mailAttempts: 0 }, 'as after a crash')
})

t.test('an instance without the lease mails nothing', async (test) => {
  const { store } = openFile(test)
  const smtp = await startMailbox(test)
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await store.write((tx) => tx.lease.release())
  await test.rejects(mailer.round(signal), { message: /lease/ })
  test.equal(smtp.mails.length, 0)
})

t.test('what another holder has mailed just before is not mailed again', async (test) => {
  const { store } = openFile(test)
  const smtp = await startMailbox(test)
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
  const smtp = await startMailbox(test, {
    refuse() {
      taken = store.write((tx) => tx.lease.release())
      return undefined
    },
  })
  await writeTo(store, 'ada', 'ada@example.com')
  const mailer = await start(store, smtp.url)
  test.teardown(mailer.close)
  await mailer.round(signal).catch((error) => test.match(error, /lease/)) // for the next letter
  await taken
  test.equal((await store.read.letters.list('ada', 10, 1))[0]?.mail, 'sent')
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
  const { url, mails } = await startMailbox(test, {
    async refuse(_address, attempt) {
      asked = attempt
      if (attempt === 1) await waiting
      return answer(attempt)
    },
  })
  test.teardown(() => goOn())
  await writeTo(store, 'ada', 'ada@example.com')
  const first = await start(store, url)
  const sending = first.round(signal).catch((error) => test.match(error, /lease/)) // for the next letter
  await eventually(() => asked === 1, { what: 'the first mailer is about to send' })
  return {
    /** The other instance takes the lease over: the holder could not renew it, and lives. */
    async takeOver(schedule: Schedule = { now: async () => 0 }) {
      const second = await start(other, url, { schedule })
      test.teardown(second.close)
      return second
    },
    async goOn() {
      goOn()
      await sending
      first.close()
    },
    mail: async () => (await store.read.letters.list('ada', 10, 1))[0]?.mail,
    mails: () => mails.length,
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
    test.equal(await m.mail(), 'sent')
  },
)

t.test(
  '… and when that one gave the letter up, as after a long standstill: a mail that is out is sent',
  async (test) => {
    const m = await twoMailers(test, (attempt) => (attempt === 1 ? undefined : 550))
    const second = await m.takeOver({ now: async () => 3_600_000 })
    await second.round(signal)
    test.equal(await m.mail(), 'failed')
    await m.goOn()
    test.equal(m.mails(), 1)
    test.equal(await m.mail(), 'sent')
  },
)

t.test('three instances, two of them killed: each mail comes, and only one under way comes twice', async (test) => {
  const { store, dataDir } = openFile(test)
  const mails: (Mail & { by: number })[] = []
  let onMail: (by: number) => void = () => {}
  // A mail server each, which tells who has sent what.
  const smtps = await Promise.all(
    [1, 2, 3].map((by) =>
      startMailbox(test, {
        onMail(mail) {
          mails.push({ ...mail, by })
          onMail(by)
        },
      }),
    ),
  )
  const instances = await startInstances(
    test,
    dataDir,
    smtps.map(({ url }) => url),
  )
  const users = Array.from({ length: 30 }, (_, i) => `user-${i}`)
  const write = async (some: string[]) => {
    for (const user of some) await writeTo(store, user, `${user}@example.com`)
  }
  const isSent = async (user: string) => (await store.read.letters.list(user, 10, 1))[0]?.mail === 'sent'
  // The letter that was under way waits a minute: until then the killed one might still be mailing it.
  const areSent = (some: string[]) =>
    eventually(async () => !(await Promise.all(some.map(isSent))).includes(false), {
      what: `${some.length} letters are marked sent`,
      deadlineMs: 150_000,
    })
  /** Each may come with one mail too many: that of a letter that was under way. */
  const handovers = () => mails.filter(({ by }, i) => i > 0 && by !== mails[i - 1]?.by).length
  const tooMany = () => mails.length - new Set(mails.map(({ to }) => to)).size

  await write(users.slice(0, 10))
  await areSent(users.slice(0, 10))
  test.ok(tooMany() <= handovers(), `${tooMany()} mails too many before the first kill`)
  await instances.kill(mails.at(-1)?.by ?? 0)

  // The second one is killed when the server has a mail, and before it can be marked sent: the file is locked.
  const lock = new Database(join(dataDir, 'notifications.sqlite'))
  test.teardown(() => lock.close())
  const caught = new Promise<number>((resolve) => {
    onMail = (by) => {
      if (mails.length < 15 || lock.inTransaction) return
      lock.exec('BEGIN IMMEDIATE')
      resolve(by)
    }
  })
  await write(users.slice(10, 20))
  const second = await caught
  const { to, text } = mails.at(-1) as Mail
  onMail = () => {}
  await instances.kill(second)
  lock.exec('ROLLBACK')
  await write(users.slice(20))
  await areSent(users)

  test.strictSame([...new Set(mails.map((mail) => mail.to))].sort(), users.map((user) => `${user}@example.com`).sort())
  const twice = mails.filter((mail) => mail.to === to)
  test.equal(twice.length, 2, 'the letter that was under way at the kill was sent again')
  test.not(twice[0]?.by, twice[1]?.by, 'by another instance')
  const messageId = /^Message-ID: <[^>]+>/im
  test.equal(messageId.exec(twice[1]?.text ?? '')?.[0], messageId.exec(text)?.[0], 'with the same Message-ID')
  // The first kill met no letter under way. A machine that is slow may hand over more often than there are kills.
  test.ok(handovers() >= 2 && tooMany() < handovers(), `${tooMany()} mails too many, ${handovers()} handovers`)
})

/** Resolves when the instance says so in its log, which is read on so that it does not fill the pipe. */
const listening = ({ stdout }: ChildProcess) =>
  new Promise<void>((resolve, reject) => {
    const lines = createInterface(stdout as Readable)
    lines.on('line', (line) => /"msg":"listening"/.test(line) && resolve())
    lines.on('close', () => reject(new Error('it ended before it listened')))
  })

/** Real instances on one file, each with a mail server of its own. */
async function startInstances(test: Test, dataDir: string, smtpUrls: string[]) {
  const ports = await reservePorts()
  const children = smtpUrls.map((smtpUrl, i) =>
    spawn(process.execPath, ['notifications-service/src/server.ts'], {
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        INSTANCE: String(i + 1),
        NOTIFICATIONS_PORT: String(ports.notifications),
        DATA_DIR: dataDir,
        NATS_URL: 'nats://127.0.0.1:1',
        SMTP_URL: smtpUrl,
      },
    }),
  )
  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  test.teardown(async () => {
    await Promise.all(children.map(end))
    await ports.release()
  })
  await Promise.all(children.map(listening))
  return {
    /** SIGKILL to the instance (from 1); resolves when it is gone. */
    async kill(instance: number) {
      const child = children[instance - 1]
      if (!child) throw new Error(`there is no instance ${instance}`)
      await end(child)
    },
  }
}
