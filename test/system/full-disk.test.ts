/** A disk that is really full, a small tmpfs: 503 and nothing behind it, and everything goes on once there is room. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@checkout/testkit/eventually.ts'
import { newSeed } from '@checkout/testkit/random.ts'
import t, { type Test } from 'tap'
import type { System } from '../../scripts/system.ts'
import { newClaims } from '../support/audit.ts'
import type { Service } from '../support/books.ts'
import { fundedUsers, type Load, startLoad } from '../support/load.ts'
import { assertAudit, assertBooks, instanceUrl, untilSettled } from '../support/settle.ts'
import { assertNoErrors, client, withSystem } from '../support/system.ts'

const services = ['orders', 'payments', 'notifications'] as const
const DISK_SIZE = '48m'
/** How long the disk stays full once a write was refused. */
const FULL_MS = 1_500

/** Mounts a small disk on a folder; returns how to take it away. */
function mount(folder: string, size: string): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' })
  return () => void execFileSync('umount', [folder])
}

/** Mounts one small disk per service; undefined when this user may not. */
function mountDisks(dataDir: string): (() => void) | undefined {
  const mounted: (() => void)[] = []
  const unmount = () => {
    for (const take of mounted) take()
  }
  try {
    for (const service of services) {
      const disk = join(dataDir, `${service}-disk`)
      mkdirSync(disk)
      mounted.push(mount(disk, DISK_SIZE))
      // SQLite follows the link, and keeps the WAL beside the file that it leads to.
      writeFileSync(join(disk, `${service}.sqlite`), '')
      symlinkSync(join(disk, `${service}.sqlite`), join(dataDir, `${service}.sqlite`))
    }
    return unmount
  } catch {
    unmount()
    return undefined
  }
}

/** Takes all the room that is left; returns how to give it back. */
function fill(disk: string, number = 0): () => void {
  const ballast = join(disk, `ballast-${number}`)
  const fd = openSync(ballast, 'w')
  try {
    for (let size = 2 ** 20; size >= 4_096; ) {
      try {
        if (writeSync(fd, Buffer.alloc(size)) < size) size /= 2
      } catch {
        size /= 2
      }
    }
  } finally {
    closeSync(fd)
  }
  return () => rmSync(ballast)
}

const dataDir = mkdtempSync(join(tmpdir(), 'full-'))
const unmount = mountDisks(dataDir)
const skip = unmount ? false : 'this user may not mount a tmpfs (root may)'

t.test('a full disk', { skip }, async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  await withSystem(t, { dataDir }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    for (const service of services) {
      await t.test(service, async (t) => {
        const load = startLoad({ t, url: system.url, seed, claims, users })
        await load.accepted(50)
        const empty = fill(join(dataDir, `${service}-disk`))
        try {
          await untilRefused(system, service, load, users[0] as string)
          const live = await client(instanceUrl(system, service))('GET', '/health/live')
          t.equal(live.status, 200, 'it lives')
          await delay(FULL_MS)
        } finally {
          empty()
        }
        const freeAt = performance.now()
        await load.stop()
        await untilSettled(t, system, `${service} has room again`, freeAt)
        t.comment(JSON.stringify(load.counts))
        t.strictSame(
          Object.keys(load.counts).filter((outcome) => outcome !== '201' && outcome !== '503 store_unavailable'),
          [],
          'nothing but 201 and 503 was answered',
        )
        await assertAccepting(t, system, users[0] as string)
        assertAudit(t, system, claims)
      })
    }
    assertNoErrors(t, system)
  })
})

const oneDisk = mkdtempSync(join(tmpdir(), 'full-one-'))
const unmountOne = unmount && mount(oneDisk, '64m')

t.test('one disk for everything, the broker and the logs too, as make run has it', { skip }, async (t) => {
  const seed = newSeed()
  t.comment(`seed ${seed}`)
  const said: string[] = []
  await withSystem(t, { dataDir: join(oneDisk, 'data'), log: (line) => said.push(line) }, async (system) => {
    const claims = newClaims()
    const users = await fundedUsers(system.url, 5, claims)
    const load = startLoad({ t, url: system.url, seed, claims, users })
    await eventually(() => load.counts['201'], { what: 'orders are taken' })
    const fillings: (() => void)[] = []
    try {
      // Again and again: what somebody gives back, such as a WAL that is cut, is taken too.
      const refused = () => {
        fillings.push(fill(oneDisk, fillings.length))
        return (load.counts['503 store_unavailable'] ?? 0) > 200
      }
      await eventually(refused, { what: 'writes are refused', deadlineMs: 60_000 })
      for (const { name, port } of system.processes) {
        t.equal((await client(`http://127.0.0.1:${port}`)('GET', '/health/live')).status, 200, `${name} lives`)
      }
    } finally {
      for (const empty of fillings) empty()
    }
    const freeAt = performance.now()
    await eventually(() => writeLetter(system, users[0] as string).then(({ status }) => status === 201), {
      what: 'writes are taken again',
    })
    await load.stop()
    await untilSettled(t, system, 'there is room again', freeAt)
    t.comment(JSON.stringify(load.counts))
    const outcomes = Object.keys(load.counts)
    t.strictSame(
      outcomes.filter((outcome) => outcome !== '201' && outcome !== '503 store_unavailable'),
      [],
    )
    await assertAccepting(t, system, users[0] as string)
    assertBooks(t, system, claims)
    t.comment(said.filter((line) => /JetStream|DIED/.test(line)).join('\n'))
    t.strictSame(
      said.filter((line) => /DIED/.test(line) && !line.startsWith('nats-server')),
      [],
      'no process of ours died',
    )

    fill(oneDisk, 0)
    for (const managed of system.processes) managed.restart = false
    const stoppedAt = performance.now()
    await Promise.all(
      system.processes.map(async (managed) => {
        managed.kill('SIGTERM')
        await managed.exited()
        t.ok(performance.now() - stoppedAt < 8_000, `${managed.name} ends within 8 s, the disk being full`)
      }),
    )
  })
})

t.teardown(() => {
  unmount?.()
  unmountOne?.()
  for (const folder of [dataDir, oneDisk]) rmSync(folder, { recursive: true, force: true })
})

const writeLetter = (system: System, userId: string) =>
  client(system.url, userId)('POST', '/notifications', { subject: 'Full', body: 'x'.repeat(5_000) })

/** The WAL is used again from its start now and then, so a write is refused only once it has to grow. */
async function untilRefused(system: System, service: Service, load: Load, userId: string) {
  const refused = async () => {
    if (service !== 'notifications') return load.counts['503 store_unavailable']
    const { status, body } = await writeLetter(system, userId)
    return status === 503 && body.code === 'store_unavailable'
  }
  await eventually(refused, { what: `${service} refuses a write`, deadlineMs: 60_000 })
}

async function assertAccepting(t: Test, system: System, userId: string) {
  t.equal((await writeLetter(system, userId)).status, 201, 'writes are taken again')
}
