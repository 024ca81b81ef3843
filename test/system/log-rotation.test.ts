/** Logs of running processes stay small: a file that is too large is copied and emptied while its process goes on writing. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@checkout/testkit/eventually.ts'
import t, { type Test } from 'tap'
import { rotateLogs } from '../../scripts/log-rotation.ts'

/** A file system of 8 MiB: a log may have 2 % of it, but 256 KiB in any case. */
function smallDisk(t: Test): string | undefined {
  const disk = mkdtempSync(join(tmpdir(), 'logs-'))
  t.teardown(() => rmSync(disk, { recursive: true, force: true }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  t.teardown(() => execFileSync('umount', [disk]))
  return disk
}

t.test('a log that is too large', async (t) => {
  const disk = smallDisk(t)
  if (!disk) {
    t.pass('needs a small disk', { skip: 'this user may not mount a tmpfs (root may)' })
    return
  }
  const file = join(disk, 'a.log')
  const fd = openSync(file, 'a')
  t.teardown(() => closeSync(fd))
  t.teardown(rotateLogs(disk, () => [file]))
  const line = `${'x'.repeat(1_023)}\n`

  await t.test('is kept as .1, and goes on empty', async (t) => {
    for (let i = 0; i < 900; i += 1) writeSync(fd, line)
    await eventually(() => statSync(file).size === 0, { what: 'it is emptied' })
    t.equal(readFileSync(`${file}.1`, 'utf8'), line.repeat(900))
    writeSync(fd, line)
    t.equal(readFileSync(file, 'utf8'), line, 'the process goes on at its beginning')
  })

  await t.test('on a full disk gives its room back', async (t) => {
    for (let i = 0; i < 900; i += 1) writeSync(fd, line)
    t.throws(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(2 ** 23)), /ENOSPC/)
    await eventually(() => statSync(file).size === 0, { what: 'it is emptied' })
    t.notOk(existsSync(`${file}.1`), 'a part of a copy is not kept')
  })
})
