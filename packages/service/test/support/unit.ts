/** A unit of work on a file of its own, with the connections in the test's hands. */
import type { Test } from 'tap'
import { type Clock, systemClock } from '../../src/clock.ts'
import { openSqlite } from '../../src/sqlite.ts'
import { createUnitOfWork } from '../../src/unit-of-work.ts'
import { noteMigrations, noteReads, noteWrites, tempFile } from './notes-store.ts'

export function openUnit(t: Test, clock: Clock = systemClock) {
  const file = tempFile(t)
  const { writer, reader, close } = openSqlite(file, noteMigrations)
  const unit = createUnitOfWork({ db: writer, tx: noteWrites(writer), clock })
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
