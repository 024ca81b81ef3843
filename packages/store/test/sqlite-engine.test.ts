import Database from 'better-sqlite3'
import { engineSuite } from './engine-suite.ts'
import { openEngineNotes, tempFile } from './support/notes-store.ts'

engineSuite({
  open(t, { at = tempFile(t), platform, holder } = {}) {
    const store = openEngineNotes({ file: at }, platform, holder)
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
