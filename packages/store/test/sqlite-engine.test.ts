import { createPlatform } from '@checkout/kernel/platform.ts'
import Database from 'better-sqlite3'
import { ageMigrations, ageWrites } from '../src/age.ts'
import { idempotencyMigrations, idempotencyWrites } from '../src/idempotency.ts'
import { openStore } from '../src/store.ts'
import { engineSuite } from './engine-suite.ts'
import { noteMigrations, noteReads, noteWrites, tempFile } from './support/notes-store.ts'

const machine = createPlatform()

engineSuite({
  open(t, { at = tempFile(t), platform = machine, holder = 'nobody' } = {}) {
    const store = openStore({
      database: { file: at },
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
    t.teardown(store.close)
    return { ...store, at }
  },
  uniqueViolation: 'SQLITE_CONSTRAINT_UNIQUE',
  async lock(t, at) {
    const outside = new Database(at)
    t.teardown(() => outside.close())
    outside.exec('BEGIN IMMEDIATE')
    return () => outside.exec('ROLLBACK')
  },
})
