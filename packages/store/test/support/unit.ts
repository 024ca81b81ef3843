/** A unit of work on a file of its own, with the connections in the test's hands. */

import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Test } from 'tap'
import { type Connection, openConnections, sqliteSession, sqliteTransactions } from '../../src/sqlite.ts'
import { createUnitOfWork } from '../../src/unit-of-work.ts'
import { noteMigrations, noteWrites, tempFile } from './notes-store.ts'

const machine = createPlatform()

export function openUnit(t: Test, platform: Platform = machine) {
  const file = tempFile(t)
  const { writer, reader, close } = openConnections(file, noteMigrations, platform)
  const unit = createUnitOfWork({
    transactions: sqliteTransactions(writer, platform),
    tx: noteWrites(sqliteSession(writer)),
    platform,
  })
  t.teardown(close)
  return { file, writer, unit, write: unit.write, read: notesIn(reader) }
}

/** What is committed, at once. */
export function notesIn(reader: Connection) {
  const ids = reader.prepare('SELECT id FROM notes ORDER BY seq').pluck()
  const parts = reader.prepare('SELECT id, count(*) AS parts FROM notes GROUP BY id')
  return { ids: () => ids.all() as string[], parts: () => parts.all() as { id: string; parts: number }[] }
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
