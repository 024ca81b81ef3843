/** A unit of work on a file of its own, with the connections in the test's hands. */

import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Test } from 'tap'
import { openSqlite } from '../../src/sqlite.ts'
import { createUnitOfWork } from '../../src/unit-of-work.ts'
import { noteMigrations, noteReads, noteWrites, tempFile } from './notes-store.ts'

const machine = createPlatform()

export function openUnit(t: Test, platform: Platform = machine) {
  const file = tempFile(t)
  const { writer, reader, close } = openSqlite(file, noteMigrations, platform)
  const unit = createUnitOfWork({ db: writer, tx: noteWrites(writer), platform })
  t.teardown(close)
  return { file, writer, unit, write: unit.write, read: noteReads(reader) }
}

/** The error of a rejection; fails when the promise resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('resolved, though it should have been rejected')
}
