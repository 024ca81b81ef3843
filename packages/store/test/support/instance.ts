/** A process that opens the store and does what the lines on its stdin say; instances.ts starts it. */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setImmediate as turn } from 'node:timers/promises'
import { createPlatform } from '@checkout/kernel/platform.ts'
import Database from 'better-sqlite3'
import { createLease, type Lease } from '../../src/lease.ts'
import { openNotes } from './notes-store.ts'

const machine = createPlatform()

let store: ReturnType<typeof openNotes>
let outside: Database.Database
let lease: Lease
const name = String(process.pid)
// Written at once, so that what was reported before a SIGKILL has arrived.
const say = (line: string) => void writeSync(1, `${line}\n`)
const codeOf = (error: unknown) => (error as { code?: string }).code ?? (error as Error).constructor.name
const attempt = (work: Promise<unknown>) => work.then(() => 'stored', codeOf)

const commands: Record<string, (argument: string) => unknown> = {
  open(file) {
    try {
      store = openNotes(file, machine, name)
      say('opened')
    } catch (error) {
      say(`refused ${(error as Error).message}`)
    }
  },
  lock(file) {
    outside = new Database(file)
    outside.exec('BEGIN IMMEDIATE')
    say('locked')
  },
  unlock() {
    outside.exec('COMMIT')
    say('unlocked')
  },
  async increment(times) {
    // A few at a time, so that the instances' batches alternate.
    for (let left = Number(times); left > 0; left -= 5) {
      const done = Array.from({ length: Math.min(5, left) }, () => store.write((tx) => tx.increment()))
      await Promise.all(done)
    }
    say('incremented')
  },
  async read() {
    say('reading')
    for (;;) {
      await store.read.counter()
      await turn()
    }
  },
  /** Stores pairs of notes without end and says each pair's id as soon as it is told that it is stored. */
  async pairs(prefix) {
    for (let i = 0; ; i += 1) {
      const id = `${prefix}-${i}`
      const stored = store.write(async (tx) => {
        await tx.add(id, 'a', 500)
        await undefined
        await tx.add(id, 'b', 500)
      })
      void stored.then(() => say(`stored ${id}`))
      if (i % 40 === 39) await stored
    }
  },
  /** One batch: a small write, one that exceeds the largest file, a small one. */
  async exceed(bytes) {
    process.on('SIGXFSZ', () => {}) // the write then fails with EFBIG instead of ending the process
    let cause: unknown
    const big = store.write(async (tx) => {
      await tx.add('big', 'a')
      await tx.add('big', 'b', Number(bytes))
    })
    big.catch((error) => {
      cause = codeOf(error.cause)
    })
    const [before, middle, after] = await Promise.all([
      attempt(store.write((tx) => tx.add('before'))),
      attempt(big),
      attempt(store.write((tx) => tx.add('after'))),
    ])
    const later = await attempt(store.write((tx) => tx.add('later')))
    say(`outcome ${JSON.stringify({ before, middle, after, later, cause, ids: await store.read.ids() })}`)
  },
  lease() {
    lease = createLease({ read: store.read.lease, write: store.write, platform: machine })
    lease.onAcquired(() => say('acquired'))
    lease.start()
    setInterval(() => {
      if (lease.held()) void act()
    }, 5)
    say(`competing ${name}`)
  },
  async assert() {
    say(`asserted ${await attempt(store.write((tx) => tx.lease.assertHeld()))}`)
  },
  async stop() {
    await lease.stop()
    say('stopped')
  },
}

let acts = 0
async function act(): Promise<void> {
  acts += 1
  const part = String(acts)
  await attempt(
    store.write(async (tx) => {
      await tx.lease.assertHeld()
      await tx.add(name, part)
    }),
  )
}

createInterface(process.stdin).on('line', (line) => {
  const [command = '', argument = ''] = line.split(' ')
  void commands[command]?.(argument)
})
