/**
 * `node scripts/backup.ts <folder>`: a consistent copy of each service's file, taken while everything runs.
 *
 * The copy is made by SQLite itself (VACUUM INTO), in one read transaction: writers are not held up, and the copy needs
 * no WAL beside it. Copying live files with cp would tear them.
 *
 * The order matters. Three files have no common moment, so the readers of events are copied before their writers: what
 * was told in between is in the writer's outbox, which keeps it for at least ten minutes, and is told again after a
 * restore. The other way round a restored reader would know of orders that the writer has never heard of.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'

export const files = ['notifications.sqlite', 'payments.sqlite', 'orders.sqlite'] as const

/** Copies every file into a folder that must not hold any of them yet. @throws before anything is half there */
export function backUp(dataDir: string, folder: string, log = (_line: string) => {}): void {
  for (const file of files) {
    if (!existsSync(join(dataDir, file))) throw new Error(`there is no ${file} in ${dataDir}: set DATA_DIR`)
    if (existsSync(join(folder, file))) throw new Error(`${folder} holds a ${file} already: choose another folder`)
  }
  mkdirSync(folder, { recursive: true })
  for (const file of files) {
    const started = performance.now()
    copy(join(dataDir, file), join(folder, file))
    const size = (statSync(join(folder, file)).size / 2 ** 20).toFixed(1)
    log(`${join(folder, file)}  ${size} MiB, ${Math.round(performance.now() - started)} ms, intact`)
  }
  sync(folder)
}

/** Under another name until it is complete and on the disk: SQLite does not fsync what VACUUM INTO writes. */
function copy(from: string, to: string): void {
  const part = `${to}.part`
  rmSync(part, { force: true })
  const live = new Database(from, { readonly: true, fileMustExist: true })
  try {
    live.prepare('VACUUM INTO ?').run(part)
  } finally {
    live.close()
  }
  const copied = new Database(part, { readonly: true })
  try {
    const verdict = copied.pragma('integrity_check', { simple: true })
    if (verdict !== 'ok') throw new Error(`the copy of ${from} is damaged: ${verdict}`)
  } finally {
    copied.close()
  }
  sync(part)
  renameSync(part, to)
}

function sync(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) {
    console.error('Usage: node scripts/backup.ts <folder>   (DATA_DIR names the live files; default .data)')
    process.exit(1)
  }
  try {
    backUp(resolve(process.env.DATA_DIR || '.data'), resolve(folder), (line) => console.log(line))
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}
