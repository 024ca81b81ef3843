/** Whether a folder takes files: not when the disk is full, its quota or inodes are used up, or it is read-only. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PROBE_BYTES = 1024 ** 2

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no room (the disk is full, or has no inodes left)',
  EDQUOT: "this user's quota is used up",
  EROFS: 'its file system is read-only',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EIO: 'the disk fails',
}

/** Makes the folder where that is missing, and writes a file there. @throws an error with one sentence for people */
export function assertRoom(folder: string): void {
  const probe = join(folder, `.room-${process.pid}`)
  try {
    makeFolder(folder)
    try {
      writeFileSync(probe, Buffer.alloc(PROBE_BYTES))
    } finally {
      rmSync(probe, { force: true })
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new Error(`${folder} cannot be written: ${reasons[code] ?? message}`)
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch {
    mkdirSync(folder) // on a read-only file system only this one tells the cause
  }
}
