/**
 * Loaded with `--import` into the processes whose memory is measured: on SIGUSR2 it collects all garbage and leaves what
 * is used then, as process.memoryUsage() says, in the folder SETTLED, as a file named by the pid.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** What one collection sets free (finalizers, native handles) goes with the next. */
const COLLECTIONS = 5
const PAUSE_MS = 50

const folder = process.env.SETTLED

async function settle(into: string) {
  for (let i = 0; i < COLLECTIONS; i += 1) {
    globalThis.gc?.()
    await delay(PAUSE_MS)
  }
  const file = join(into, `${process.pid}`)
  writeFileSync(`${file}.part`, JSON.stringify(process.memoryUsage()))
  renameSync(`${file}.part`, file)
}

if (folder) process.on('SIGUSR2', () => void settle(folder))
