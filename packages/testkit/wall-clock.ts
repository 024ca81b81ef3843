/** Sets the wall clock of running processes, see wall-clock.mjs. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'

export const HOUR_MS = 60 * 60 * 1_000

export interface WallClock {
  /** The environment of the processes whose clock it is. */
  readonly env: { readonly NODE_OPTIONS: string; readonly WALL_CLOCK_FILE: string }
  /** Sets it `ms` ahead of the real time (behind, when negative). Every Date after that shows it. */
  set(ms: number): void
}

export function createWallClock(t: Test): WallClock {
  const folder = mkdtempSync(join(tmpdir(), 'wall-clock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'ahead-ms')
  const set = (ms: number) => {
    // Renamed, so that nobody reads half a number.
    writeFileSync(`${file}.new`, `${ms}`)
    renameSync(`${file}.new`, file)
  }
  set(0)
  const preload = pathToFileURL(join(import.meta.dirname, 'wall-clock.mjs')).href
  return { env: { NODE_OPTIONS: `--import=${preload}`, WALL_CLOCK_FILE: file }, set }
}
