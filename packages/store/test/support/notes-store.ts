/** The store that the tests of the storage layer write to: a real SQLite file in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Test } from 'tap'
import { leaseMigrations, leaseReads, leaseWrites } from '../../src/lease.ts'
import type { Connection, Migration } from '../../src/sqlite.ts'
import { openStore } from '../../src/store.ts'

const machine = createPlatform()

export const noteMigrations: readonly Migration[] = [
  {
    name: 'notes/1',
    sql: `
      CREATE TABLE notes (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, part TEXT NOT NULL, body BLOB, UNIQUE (id, part)) STRICT;
      CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
      INSERT INTO counters VALUES ('shared', 0);`,
  },
  ...leaseMigrations,
]

export type NoteWrites = ReturnType<typeof noteWrites>
export function noteWrites(writer: Connection, holder = 'nobody') {
  const insert = writer.prepare('INSERT INTO notes (id, part, body) VALUES (?, ?, zeroblob(?))')
  const value = writer.prepare('SELECT value FROM counters').pluck()
  const set = writer.prepare('UPDATE counters SET value = ?')
  return {
    add: async (id: string, part = 'a', bytes = 0): Promise<void> => void insert.run(id, part, bytes),
    /** Reads, then writes what it has read plus one: two transactions that overlapped would lose a step. */
    async increment(): Promise<number> {
      const next = (value.get() as number) + 1
      set.run(next)
      return next
    },
    lease: leaseWrites(writer, holder),
  }
}

export type NoteReads = ReturnType<typeof noteReads>
export function noteReads(reader: Connection) {
  const ids = reader.prepare('SELECT id FROM notes ORDER BY seq').pluck()
  const parts = reader.prepare('SELECT id, count(*) AS parts FROM notes GROUP BY id')
  const counter = reader.prepare('SELECT value FROM counters').pluck()
  return {
    /** The ids of all committed notes, in the order of their insertion. */
    ids: () => ids.all() as string[],
    parts: () => parts.all() as { id: string; parts: number }[],
    counter: () => counter.get() as number,
    lease: leaseReads(reader),
  }
}

/** The path of a file that does not exist yet; its folder goes with the test. */
export function tempFile(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'checkout-store-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data', 'notes.sqlite')
}

export const openNotes = (file: string, platform: Platform = machine, holder?: string) =>
  openStore({
    file,
    migrations: noteMigrations,
    writes: (writer) => noteWrites(writer, holder),
    reads: noteReads,
    platform,
  })
