/**
 * `node scripts/restore.ts <backup>`: puts a backup in the place of the services' files. Everything must be stopped, the
 * broker too.
 *
 * What was there is kept in DATA_DIR/before-<time>, each file with its -wal and -shm: left beside a restored file, an old
 * WAL would be replayed into it and damage it. The broker's store under DATA_DIR is deleted: it is a cache, of other files.
 * Interrupted, it can be run again.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SYSTEM_ID_FILE } from '@checkout/store/deployment.ts'
import Database from 'better-sqlite3'
import { files, sync } from './backup.ts'

/** Returns the folder with what was there. @throws before anything is changed */
export function restore(backup: string, dataDir: string): string {
  for (const file of files) {
    if (!existsSync(join(backup, file))) throw new Error(`there is no ${file} in ${backup}: not a complete backup`)
  }
  mkdirSync(dataDir, { recursive: true })
  for (const file of files) assertNobodyHas(join(dataDir, file))
  const system = existsSync(join(backup, SYSTEM_ID_FILE)) ? [SYSTEM_ID_FILE] : []
  const restored: readonly string[] = [...files, ...system]
  for (const file of restored) {
    const part = join(dataDir, `restored-${file}`)
    copyFileSync(join(backup, file), part)
    sync(part)
  }
  const before = join(dataDir, `before-${new Date().toISOString().replaceAll(/[:.]/g, '')}`)
  mkdirSync(before)
  const old = readdirSync(dataDir).filter((name) => restored.some((file) => name.startsWith(file)))
  for (const name of old) renameSync(join(dataDir, name), join(before, name))
  rmSync(join(dataDir, 'nats'), { recursive: true, force: true })
  for (const file of restored) renameSync(join(dataDir, `restored-${file}`), join(dataDir, file))
  sync(before)
  sync(dataDir)
  return before
}

/** @throws when a process has the file open */
function assertNobodyHas(file: string): void {
  if (!existsSync(file)) return
  try {
    const db = new Database(file, { timeout: 0 })
    try {
      db.pragma('locking_mode = EXCLUSIVE')
      db.exec('BEGIN IMMEDIATE; ROLLBACK')
    } finally {
      db.close()
    }
  } catch (error) {
    if (/^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string }).code ?? '')) {
      throw new Error(`${file} is in use: stop everything first`)
    }
    // Damaged: that is why a backup is put in its place.
  }
}

if (import.meta.main) {
  const [backup] = process.argv.slice(2)
  if (backup === undefined) {
    console.error('Usage: node scripts/restore.ts <backup>   (DATA_DIR names the live files; default .data)')
    process.exit(1)
  }
  try {
    const before = restore(resolve(backup), resolve(process.env.DATA_DIR || '.data'))
    console.log(`restored; what was there is in ${before}`)
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}
