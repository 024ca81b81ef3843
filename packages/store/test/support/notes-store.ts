/** The store that the tests of the storage layer write to: a real SQLite file in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPlatform, type Platform } from '@checkout/kernel/platform.ts'
import type { Test } from 'tap'
import { ageMigrations, ageWrites } from '../../src/age.ts'
import type { Migration, Session } from '../../src/engine.ts'
import { idempotencyMigrations, idempotencyWrites } from '../../src/idempotency.ts'
import { leaseMigrations, leaseReads, leaseWrites } from '../../src/lease.ts'
import { type Database, openStore } from '../../src/store.ts'

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
export function noteWrites(writer: Session, holder = 'nobody') {
  const insert = writer.prepare('INSERT INTO notes (seq, id, part, body) VALUES (?, ?, ?, ?)')
  const value = writer.prepare('SELECT value FROM counters')
  const set = writer.prepare('UPDATE counters SET value = ?')
  return {
    add: async (id: string, part = 'a', bytes = 0): Promise<void> =>
      void (await insert.run([writer.nextId('notes'), id, part, Buffer.alloc(bytes)])),
    /** Reads, then writes what it has read plus one: two transactions that overlapped would lose a step. */
    async increment(): Promise<number> {
      const next = Number((await value.get([]))?.[0]) + 1
      await set.run([next])
      return next
    },
    lease: leaseWrites(writer, holder),
  }
}

export type NoteReads = ReturnType<typeof noteReads>
export function noteReads(reader: Session) {
  const ids = reader.prepare('SELECT id FROM notes ORDER BY seq')
  const parts = reader.prepare('SELECT id, count(*) AS parts FROM notes GROUP BY id')
  const counter = reader.prepare('SELECT value FROM counters')
  return {
    /** The ids of all committed notes, in the order of their insertion. */
    ids: async () => (await ids.all([])).map(([id]) => id as string),
    parts: async () => (await parts.all([])).map(([id, parts]) => ({ id: id as string, parts: parts as number })),
    counter: async () => (await counter.get([]))?.[0] as number,
    lease: leaseReads(reader),
  }
}

/** What the engine suite asks for, in a database of either engine. */
export const openEngineNotes = (database: Database, platform: Platform = machine, holder?: string) =>
  openStore({
    database,
    migrations: [...noteMigrations, ...ageMigrations, ...idempotencyMigrations],
    platform,
    writes: (writer) => ({
      ...noteWrites(writer, holder),
      ages: ageWrites(writer),
      idempotency: idempotencyWrites(writer, platform),
    }),
    reads: (reader) => ({
      ...noteReads(reader),
      keys: async () => reader.prepare('SELECT user_id, route, key FROM idempotency_keys').all([]),
    }),
  })

/** The path of a file that does not exist yet; its folder goes with the test. */
export function tempFile(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'checkout-store-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data', 'notes.sqlite')
}

export const openNotes = (file: string, platform: Platform = machine, holder?: string) =>
  openStore({
    database: { file },
    migrations: noteMigrations,
    writes: (writer) => noteWrites(writer, holder),
    reads: noteReads,
    platform,
  })
