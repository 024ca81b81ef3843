/**
 * `node scripts/backup.ts <folder>`: a consistent copy of the services' files, taken while everything runs.
 *
 * All three are copied as they were at one moment. Copied one after another they would not fit together: money deposited
 * after payments.sqlite was copied would pay for an order in orders.sqlite, and be missing after a restore. So their
 * writers are kept out for the milliseconds that it takes to begin a read transaction on each; what those see is copied.
 * Copying live files with cp would tear them.
 *
 * The folder appears when everything in it is complete, checked and on the disk; before, it is called <folder>.part.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { parts, services } from '@checkout/contracts/services.ts'
import { SYSTEM_ID_FILE } from '@checkout/store/deployment.ts'
import Database from 'better-sqlite3'

export const files = parts.map((part) => services[part].file)

/** Longer than any batch of writes takes; requests wait meanwhile. */
const LOCK_WITHIN_MS = 2_000

/** Copies every file into a folder that must not be there yet. @throws and leaves no such folder */
export async function backUp(dataDir: string, folder: string, log = (_line: string) => {}): Promise<void> {
  for (const file of files) {
    if (!existsSync(join(dataDir, file))) throw new Error(`there is no ${file} in ${dataDir}: set DATA_DIR`)
  }
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} is there already: choose another folder`)
  }
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(part, { recursive: true })
  const readers = atOneMoment(dataDir)
  try {
    for (const reader of readers) {
      const started = performance.now()
      const copy = join(part, basename(reader.name))
      await reader.backup(copy)
      check(copy)
      sync(copy)
      const size = (statSync(copy).size / 2 ** 20).toFixed(1)
      log(`${copy}  ${size} MiB, ${Math.round(performance.now() - started)} ms, intact`)
    }
  } finally {
    for (const reader of readers) reader.close()
  }
  copySystemId(dataDir, part)
  sync(part)
  renameSync(part, folder)
  sync(dirname(folder))
  log(`${folder} is complete`)
}

/** A connection to each file with a read transaction; no file has been written to between the first and the last. */
function atOneMoment(dataDir: string): Database.Database[] {
  const locks: Database.Database[] = []
  const readers: Database.Database[] = []
  try {
    for (const file of files) {
      const lock = new Database(join(dataDir, file), { fileMustExist: true, timeout: LOCK_WITHIN_MS })
      locks.push(lock)
      lock.exec('BEGIN IMMEDIATE')
    }
    for (const file of files) {
      const reader = new Database(join(dataDir, file), { readonly: true })
      readers.push(reader)
      reader.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
    }
    return readers
  } catch (error) {
    for (const reader of readers) reader.close()
    throw error
  } finally {
    for (const lock of locks) lock.close() // rolls back
  }
}

/** Makes the copy one file without a WAL beside it. */
function check(copy: string): void {
  const db = new Database(copy)
  try {
    db.pragma('journal_mode = DELETE')
    const verdict = db.pragma('integrity_check', { simple: true })
    if (verdict !== 'ok') throw new Error(`${copy} is damaged: ${verdict}`)
  } finally {
    db.close()
  }
}

/** Beside the files, so that a service which has none yet joins the same system. Not there where SYSTEM_ID gives the id. */
export function copySystemId(from: string, to: string): void {
  const [source, copy] = [join(from, SYSTEM_ID_FILE), join(to, SYSTEM_ID_FILE)]
  if (!existsSync(source)) return
  copyFileSync(source, copy)
  sync(copy)
}

export function sync(path: string): void {
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
    await backUp(resolve(process.env.DATA_DIR || '.data'), resolve(folder), (line) => console.log(line))
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}
