import { startPostgres } from '@checkout/testkit/postgres.ts'
import pg from 'pg'
import t from 'tap'
import { engineSuite } from './engine-suite.ts'
import { openEngineNotes } from './support/notes-store.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
let schemas = 0
t.setTimeout(120_000)

engineSuite({
  open(t, { at = `notes_${++schemas}`, platform, holder } = {}) {
    const store = openEngineNotes({ url: postgres.url, schema: at }, platform, holder)
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
