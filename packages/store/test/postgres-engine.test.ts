import { createPlatform } from '@checkout/kernel/platform.ts'
import { startPostgres } from '@checkout/testkit/postgres.ts'
import pg from 'pg'
import t from 'tap'
import { ageMigrations, ageWrites } from '../src/age.ts'
import { idempotencyMigrations, idempotencyWrites } from '../src/idempotency.ts'
import { openStore } from '../src/store.ts'
import { engineSuite } from './engine-suite.ts'
import { noteMigrations, noteReads, noteWrites } from './support/notes-store.ts'

const machine = createPlatform()
const postgres = await startPostgres()
t.teardown(() => postgres.stop())
let schemas = 0
t.setTimeout(120_000)

engineSuite({
  open(t, { at = `notes_${++schemas}`, platform = machine, holder = 'nobody' } = {}) {
    const store = openStore({
      database: { url: postgres.url, schema: at },
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
  uniqueViolation: '23505',
  async lock(t, at) {
    const outside = new pg.Client({ connectionString: postgres.url })
    t.teardown(() => outside.end())
    await outside.connect()
    await outside.query(`BEGIN; UPDATE "${at}".store_head SET number = number`)
    return () => outside.query('ROLLBACK')
  },
})
