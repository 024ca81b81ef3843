/** A log that cannot be written: lines are dropped and counted, and the process ends when it is told to. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createMetrics } from '../src/metrics.ts'

/** About 22 MiB: far more than a pipe and the waiting lines take. */
const LINES = 100_000
const fixture = new URL('./fixtures/flood.ts', import.meta.url).pathname

function flood(stdout: number | 'pipe', exit: 'at-once' | 'told', lines = LINES) {
  const child = spawn(process.execPath, [fixture, `${lines}`, exit], { stdio: ['pipe', stdout, 'pipe'] })
  const stderr = child.stderr as Readable
  return {
    stdout: child.stdout as Readable,
    /** How many lines were dropped, once all are logged. */
    dropped: once(stderr, 'data').then(([chunk]) => Number(chunk)),
    end: () => (child.stdin as Writable).end(),
    ended: once(child, 'exit').then(([code]) => code as number | null),
  }
}

const parse = (log: string) =>
  log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { number?: number; lines?: number; level: string; msg: string })

t.test('a device that is full', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const process = flood(full, 'at-once')
  t.ok((await process.dropped) > 0, 'lines were dropped')
  t.equal(await process.ended, 0, 'it ends when it wants to')
})

t.test('a pipe that nobody reads', async (t) => {
  const process = flood('pipe', 'at-once')
  process.stdout.pause()
  t.ok((await process.dropped) > 0, 'lines were dropped')
  t.equal(await process.ended, 0, 'it ends when it wants to')
})

t.test('a pipe whose reader has gone', async (t) => {
  const process = flood('pipe', 'at-once')
  process.stdout.destroy()
  t.ok((await process.dropped) > 0, 'lines were dropped')
  t.equal(await process.ended, 0, 'it ends when it wants to')
})

t.test('a pipe that is read too late: what is missing is counted in a line', async (t) => {
  const process = flood('pipe', 'told')
  const dropped = await process.dropped
  let log = ''
  for await (const chunk of process.stdout.setEncoding('utf8')) {
    log += chunk
    if (/were dropped[^\n]*\n/.test(log)) process.end()
  }
  t.equal(await process.ended, 0)
  const lines = parse(log)
  const notes = lines.filter(({ msg }) => /dropped/.test(msg))
  t.match(notes, [
    { level: 'warn', lines: dropped, msg: `${dropped} lines were dropped: the log could not be written` },
  ])
  t.equal(lines.length - 1 + dropped, LINES, 'every line was written or counted')
})

t.test('a pipe and a file take everything until the exit', async (t) => {
  const few = 1_000
  const piped = flood('pipe', 'at-once', few)
  const log = parse(await text(piped.stdout))
  t.strictSame([log.length, log.at(-1)?.number, await piped.dropped], [few, few, 0])

  const folder = mkdtempSync(join(tmpdir(), 'log-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'a.log')
  const fd = openSync(file, 'a')
  const filed = flood(fd, 'at-once', few)
  closeSync(fd)
  t.equal(await filed.ended, 0)
  t.equal(parse(readFileSync(file, 'utf8')).length, few)
})

const disk = mkdtempSync(join(tmpdir(), 'small-disk-'))
const mounted = mount()
const skip = mounted ? false : 'this user may not mount a tmpfs (root may)'

function mount(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test('a disk that is full and then has room again', { skip }, async (t) => {
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, '')
  const fd = openSync(join(disk, 'a.log'), 'a')
  writeSync(fd, '') // the file is there
  const filling = openSync(ballast, 'w')
  t.throws(() => {
    while (true) writeSync(filling, Buffer.alloc(4096))
  }, /ENOSPC/)
  closeSync(filling)
  const process = flood(fd, 'told')
  closeSync(fd)
  const dropped = await process.dropped
  t.ok(dropped > 0, 'lines were dropped')
  execFileSync('mount', ['-o', 'remount,size=64m', disk])
  const log = () => readFileSync(join(disk, 'a.log'), 'utf8')
  while (!/were dropped[^\n]*\n/.test(log())) await new Promise((resolve) => setTimeout(resolve, 20))
  process.end()
  t.equal(await process.ended, 0)
  const lines = parse(log())
  t.equal(lines.length - 1 + dropped, LINES, 'every line was written or counted, none is torn')
})

t.test('the dropped lines are a metric', async (t) => {
  t.match(await createMetrics().metrics(), /^log_lines_dropped_total 0$/m)
})

t.teardown(() => {
  if (mounted) execFileSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})
