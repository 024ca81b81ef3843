/**
 * Keeps the logs of running processes from filling the disk. They write their files themselves, so a file that is too large is
 * copied to `….1` and emptied: they append, and go on at its beginning. Lines between copy and emptying are lost.
 */
import { copyFileSync, rmSync, statfsSync, statSync, truncateSync } from 'node:fs'

const LOOK_EVERY_MS = 1_000
const LOG_BYTES_MAX = 64 * 1024 ** 2
const LOG_BYTES_MIN = 256 * 1024
/** All logs and their copies together stay below this part of the disk. */
const SHARE_OF_DISK = 0.1

/** Looks at the files every second until the returned function is called. At most 64 MiB each, less on a small disk. */
export function rotateLogs(folder: string, files: () => readonly string[]): () => void {
  const { blocks, bsize } = statfsSync(folder)
  const look = () => {
    const share = (blocks * bsize * SHARE_OF_DISK) / (2 * files().length)
    const max = Math.max(LOG_BYTES_MIN, Math.min(share, LOG_BYTES_MAX))
    for (const file of files()) {
      try {
        if (sizeOf(file) > max) rotate(file)
      } catch {
        // A failing or read-only disk; the system goes on without its logs.
      }
    }
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** A copy that finds no room is given up: the file is emptied all the same. */
function rotate(file: string): void {
  try {
    copyFileSync(file, `${file}.1`)
  } catch {
    rmSync(`${file}.1`, { force: true })
  }
  truncateSync(file)
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
